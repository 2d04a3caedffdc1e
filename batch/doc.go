// Package batch runs files of requests, as OpenAI's batch API writes them, through a
// model's scheduler without a network. Nothing is lost when it is killed: started again
// on the same output it goes on (docs/batch.md).
//
// The server of package serve answers, called without a network. So an answer has the body
// that mil serve gives, and what the server learns a batch can do. Taking its parts apart
// for both would have bought nothing but a second place to keep right.
//
// A line of the input is a [Request], a line of the output an [Answer]. The input is read
// twice. The first reading makes an index of some 64 bytes a request, and finds what is
// wrong with the file as a whole. The second reads each request when its turn comes. So
// the memory does not grow with the size of the requests.
package batch
