package main

import (
	"errors"
	"fmt"

	"lodge/api/openid"
)

// oidcFlags say whose word is taken for who somebody is.
type oidcFlags struct {
	Issuer     string   `help:"OpenID provider whose word is taken for who somebody is, as in https://login.example (http on loopback only): browsers sign in at /auth/oidc/login, programs show its tokens. Needs --auth required." name:"oidc-issuer" placeholder:"URL" env:"LODGE_OIDC_ISSUER"`
	ClientID   string   `help:"What the provider calls this platform." name:"oidc-client-id" placeholder:"ID" env:"LODGE_OIDC_CLIENT_ID"`
	SecretFile string   `help:"File with the secret that goes with it; default: none, a public client. Or the secret itself in LODGE_OIDC_CLIENT_SECRET." name:"oidc-client-secret-file" placeholder:"FILE" type:"path" env:"LODGE_OIDC_CLIENT_SECRET_FILE"`
	Audience   string   `help:"What tokens of programs are for; default: the client id." name:"oidc-audience" placeholder:"TEXT" env:"LODGE_OIDC_AUDIENCE"`
	RoleClaim  string   `help:"The claim that --oidc-role is about." name:"oidc-role-claim" default:"roles" env:"LODGE_OIDC_ROLE_CLAIM"`
	Roles      []string `help:"VALUE=ROLE, again for each: who has the value in the claim has the role; staff as in front-desk=staff:ritz,savoy. Who has none is a guest." name:"oidc-role" placeholder:"VALUE=ROLE" sep:";" env:"LODGE_OIDC_ROLES"`
}

// options reads what the flags say, and the secret.
func (f *oidcFlags) options() (o openid.Options, err error) {
	if f.Issuer == "" {
		return o, nil
	}
	if f.ClientID == "" {
		return o, errors.New("--oidc-issuer needs --oidc-client-id")
	}
	o = openid.Options{Issuer: f.Issuer, ClientID: f.ClientID, Audience: f.Audience, RoleClaim: f.RoleClaim}
	if o.ClientSecret, err = secret(f.SecretFile, "LODGE_OIDC_CLIENT_SECRET"); err != nil {
		return o, err
	}
	for _, text := range f.Roles {
		rule, err := openid.ParseRule(text)
		if err != nil {
			return o, fmt.Errorf("--oidc-role: %w", err)
		}
		o.Rules = append(o.Rules, rule)
	}
	return o, nil
}
