package api

import (
	_ "embed" // the OpenAPI document
	"net/http"
)

// The REST API as an OpenAPI 3.1 document, made of the protos by .ci/generate.
var (
	//go:embed openapi/openapi.json
	openapiJSON []byte
	//go:embed openapi/openapi.yaml
	openapiYAML []byte
)

// routeOpenAPI serves the document of the REST API.
func (a *API) routeOpenAPI(mux *http.ServeMux) {
	serve := func(path, contentType string, document []byte) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			_, _ = w.Write(document) // whoever asked may have gone
		})
	}
	serve("/openapi.json", "application/json", openapiJSON)
	serve("/openapi.yaml", "application/yaml", openapiYAML)
}
