// Package llm opens models and talks with them. It is the door for Go programs:
// it finds the file, chooses what computes, and keeps sessions, drafts and
// prompt caches.
//
//	m, err := llm.Open("", llm.Options{}) // the demo; else a file or a short name
//	if err != nil {
//		return err
//	}
//	defer m.Close()
//	for piece, err := range m.Chat(ctx, llm.User("What is 2 plus 3?")) {
//		if err != nil {
//			return err
//		}
//		fmt.Print(piece.Text)
//	}
//
// # Goroutines
//
// A [Model] and a [Machine] may be used by several goroutines at once. Every
// reply has a session of its own then. A [Session] serves one caller at a time,
// and a call while it works is [ErrBusy]. Sessions on one machine take turns:
// one computes while the others wait, and they change at every piece of a reply
// and every 512 tokens of a prompt. A reply's text does not depend on the others.
// The code in a loop over a reply may use everything but that reply's session.
//
// # Errors
//
// Errors speak of models, memory and contexts. Those that a program may want to
// tell apart are the variables Err... and work with [errors.Is]. Those with
// numbers in them are types, for [errors.As].
package llm
