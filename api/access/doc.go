// Package access knows who may: the tokens that programs and people show, kept in the log, and how often one client may call. Which call needs what
// is package api's to say.
package access
