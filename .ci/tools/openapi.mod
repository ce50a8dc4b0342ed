module lodge/openapi-plugin
go 1.26.0
require github.com/sudorandom/protoc-gen-connect-openapi v0.21.3
