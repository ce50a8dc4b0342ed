// Package openid takes an OpenID provider's word for who somebody is: it sends browsers there to sign in (authorization code with PKCE, state and nonce), and checks the JSON web tokens of
// that provider which programs show. What may be done by whom is package api's to say, and sessions are package access's.
//
// The provider is looked for when it is needed first, and again if it was not there: the platform goes on without it.
package openid
