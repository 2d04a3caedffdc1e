// Package batch runs files of requests, as OpenAI's batch API writes them, through a
// model's scheduler without a network. Nothing is lost when it is killed: started again
// on the same output it goes on (docs/batch.md).
//
// A line of the input is a [Request], a line of the output an [Answer]. The input is read
// twice. The first reading makes an index of some 64 bytes a request, and finds what is
// wrong with the file as a whole. The second reads each request when its turn comes. So
// the memory does not grow with the size of the requests.
package batch
