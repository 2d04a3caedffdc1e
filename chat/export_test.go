package chat

// Marks is how many points a conversation keeps.
func Marks(c *Conversation) int { return len(c.marks) }
