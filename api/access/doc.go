// Package access knows who may: the tokens that programs show, the accounts and sessions of people who sign in, both kept in the log, and how often one client may call. Which call needs
// what is package api's to say.
//
// Passwords are hashed on half of the processors at most; 128 calls wait, as long as they have time, and the others are refused (log.LimitReached). A right password costs no guess and
// there need be no Limiter, so this bound is what keeps a flood of sign-ins from taking all memory and processors.
package access
