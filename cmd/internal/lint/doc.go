// Package lint holds the rules of the house that no linter knows, as tests: which folder may import which,
// which names are not used, and that nothing sleeps in a test. It has no code of its own.
package lint
