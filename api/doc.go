// Package api is Lodge's surface: the Connect services of api/proto/lodge/v1 (which are also gRPC, gRPC-Web and JSON that
// curl can post), the same as REST under /v1/, reflection and health, and a start page.
//
//	surface, err := api.New(api.Deps{Engine: engine, Log: broker, Store: store, Scheduler: bridge}, api.Options{})
//	server := api.NewServer(surface)
//	err = server.Serve(api.Listen(surface, listener)) // or listener itself, which is slower
//
// Each call goes through three steps, one file each: the edge (interceptor.go: deadline, shape, panics), a handler (one
// file per service) that turns messages into commands or queries and events or rows into messages, and translation of
// errors (errors.go). It decides nothing about reservations: commands and domain do.
//
// What it does not do: it listens on nothing, reads no configuration, and lets in everybody who can reach it.
package api
