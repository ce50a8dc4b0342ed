// Openapi completes the OpenAPI document that the plugin makes of the protos, and lints it:
//
//	openapi complete DOCUMENT PROTOS EXAMPLES FOLDER   writes openapi.json and openapi.yaml into the folder; PROTOS: a buf image in JSON
//	openapi lint DOCUMENT
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	base "github.com/speakeasy-api/openapi/linter"
	"github.com/speakeasy-api/openapi/openapi"
	"github.com/speakeasy-api/openapi/openapi/linter"
	"github.com/speakeasy-api/openapi/validation"
	"go.yaml.in/yaml/v3"
)

func main() {
	err := errors.New("usage: openapi complete DOCUMENT PROTOS EXAMPLES FOLDER | openapi lint DOCUMENT")
	switch args := os.Args[1:]; {
	case len(args) == 5 && args[0] == "complete":
		err = complete(args[1], args[2], args[3], args[4])
	case len(args) == 2 && args[0] == "lint":
		err = lint(args[1])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func complete(from, image, examples, folder string) error {
	var doc object
	if err := readJSON(from, &doc); err != nil {
		return err
	}
	protos, err := readProtos(image)
	if err != nil {
		return err
	}
	var list []example
	if err := readJSON(examples, &list); err != nil {
		return err
	}
	if err := finish(doc, protos, list); err != nil {
		return err
	}
	var inJSON, inYAML bytes.Buffer
	toJSON := json.NewEncoder(&inJSON) // with its keys in order
	toJSON.SetIndent("", " ")
	toJSON.SetEscapeHTML(false)
	if err := toJSON.Encode(doc); err != nil {
		return err
	}
	toYAML := yaml.NewEncoder(&inYAML)
	toYAML.SetIndent(2)
	if err := errors.Join(toYAML.Encode(doc), toYAML.Close()); err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(folder, "openapi.json"), inJSON.Bytes(), 0o644),
		os.WriteFile(filepath.Join(folder, "openapi.yaml"), inYAML.Bytes(), 0o644))
}

func readJSON(name string, into any) error {
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

var (
	off   = true
	rules = []base.RuleEntry{
		{ID: "owasp-no-credentials-in-url", Disabled: &off},     // it means pageToken, which holds no secret and grants nothing
		{ID: "owasp-security-hosts-https-oas3", Disabled: &off}, // the only server is a relative URL: the scheme is the document's own
	}
)

// lint fails when the document is not OpenAPI or breaks a recommended rule whose severity is error.
func lint(name string) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	ctx := context.Background()
	doc, invalid, err := openapi.Unmarshal(ctx, file)
	if err != nil {
		return err
	}
	linting, err := linter.NewLinter(&base.Config{Extends: []string{"recommended"}, Rules: rules})
	if err != nil {
		return err
	}
	out, err := linting.Lint(ctx, base.NewDocumentInfo(doc, name), invalid, nil)
	if err != nil {
		return err
	}
	counts := map[validation.Severity]int{}
	for _, result := range out.Results {
		severity := validation.SeverityError
		var of *validation.Error
		if errors.As(result, &of) {
			severity = of.Severity
		}
		counts[severity]++
		if severity == validation.SeverityError || os.Getenv("LINT_ALL") != "" {
			fmt.Println(result)
		}
	}
	fmt.Printf("%s: %d errors, %d warnings\n", name, counts[validation.SeverityError], counts[validation.SeverityWarning])
	if counts[validation.SeverityError] > 0 {
		return errors.New("the OpenAPI document has errors")
	}
	return nil
}
