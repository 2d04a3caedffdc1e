// Package clients drives a built mil serve with the Go clients of several APIs. It is a
// module of its own, so that the product does not depend on them.
package clients
