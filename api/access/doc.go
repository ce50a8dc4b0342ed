// Package access knows who may: the tokens that programs show, the accounts and sessions of people who sign in, both kept in the log, and how often one client may call. Which call needs
// what is package api's to say.
package access
