package fault

import (
	"context"
	"errors"
	"slices"
)

// Party is who or what caused a failure: the user, the engine, the lab, or a service of a trial.
type Party struct {
	Role string
	Name string // of a service; empty: the first of its role
}

// The parties of every run, and the services of every trial.
var (
	User      = Party{Role: "user"} // interrupted the run
	Engine    = Party{Role: "engine"}
	Lab       = Party{Role: "lab"} // this program with its disk and its canaries
	Generator = Party{Role: "generator"}
	Server    = Party{Role: "server"}
)

// causedError is an error with the party that caused it.
type causedError struct {
	party Party
	err   error
}

func (c *causedError) Error() string { return c.err.Error() }

func (c *causedError) Unwrap() error { return c.err }

// By returns err as caused by p, whatever party it named before. Its text stays the same. By
// returns nil if err is nil.
func By(p Party, err error) error {
	if err == nil {
		return nil
	}
	return &causedError{p, err}
}

// During returns the error of a call with ctx as caused by p. It keeps the party that err already
// names. If ctx has ended, whoever ended it caused err too, so that err gets the party of the
// context's cause, or none.
func During(ctx context.Context, p Party, err error) error {
	if err == nil || PartyOf(err) != (Party{}) {
		return err
	}
	if ctx.Err() != nil {
		p = PartyOf(context.Cause(ctx))
	}
	if p == (Party{}) {
		return err
	}
	return By(p, err)
}

// precedence lists the parties that decide among joined errors, first one first: the failure of an
// earlier party breaks more of a run than that of a later one.
var precedence = []Party{User, Engine, Lab, Generator}

// PartyOf returns the party that caused err, or the zero Party if err names none. An outer party
// replaces inner ones. Of joined errors, the first party in the order of precedence counts;
// services come last, in the order of the errors.
func PartyOf(err error) Party {
	switch e := err.(type) { //nolint:errorlint // the tree is walked by hand: errors.As has no precedence
	case nil:
		return Party{}
	case *causedError:
		return e.party
	case interface{ Unwrap() []error }:
		var all []Party
		for _, joined := range e.Unwrap() {
			if p := PartyOf(joined); p != (Party{}) {
				all = append(all, p)
			}
		}
		for _, p := range slices.Concat(precedence, all) {
			if slices.Contains(all, p) {
				return p
			}
		}
		return Party{}
	}
	return PartyOf(errors.Unwrap(err))
}
