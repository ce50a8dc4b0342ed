// Package front answers the plainest requests of an http.Server before they get there: short posts over HTTP/1.1 to a few paths, whose
// answers come at once.
//
//	listener := front.Listen(inner, handler, front.Options{Takes: func(r *http.Request) bool { return r.URL.Path == "/hot" }})
//	err := server.Serve(listener) // with the same handler
//
//	err = server.Shutdown(ctx) // closes the listener, which ends the connections without a request
//	err = errors.Join(err, listener.Wait(ctx))
//
// For each request net/http starts a goroutine that watches for the client to go, and ends it again; it writes through four layers and sets
// three deadlines. That suits requests that last. A request that is answered in a few milliseconds pays more for it than for its own handling:
// some 40 µs of processor time in net/http against 27 µs here, half of which is the system calls that both make.
//
// What is taken is told from the bytes alone, and narrowly (parse.go): a post that Options.Takes knows, with a length, all of it in no more than 4 KiB,
// and no header that asks for more than an answer. At the first request that is anything else (another path, HTTP/2, chunks, Expect, an odd
// character) the connection goes to the server with the bytes that were read of it, and stays there: nothing is refused here, so there is no second
// opinion on what a valid request is.
//
// The handler is called as net/http calls it, with these differences: the request's context ends with the connection, not when the client goes away or the
// handler returns, and does not name the server; the answer is held until the handler returns, so it cannot be flushed, hijacked or upgraded; informational
// answers (1xx) are left out. Once the handler has returned, the memory of the request's body and of the answer's header is the next request's.
//
// What it does not do: TLS, HTTP/2, anything that streams.
package front
