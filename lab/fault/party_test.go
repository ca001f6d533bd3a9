package fault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
)

func TestPartySurvivesWrappingAndJoining(t *testing.T) {
	database := Party{Role: "database", Name: "orders"}
	byServer := By(Server, io.ErrUnexpectedEOF)
	byDatabase := By(database, io.ErrUnexpectedEOF)
	for name, c := range map[string]struct {
		err  error
		want Party
	}{
		"no error":                          {nil, Party{}},
		"an error without a party":          {io.ErrUnexpectedEOF, Party{}},
		"wrapped":                           {fmt.Errorf("reading: %w", byServer), Server},
		"wrapped for the user":              {&Error{Code: ExitFailed, Err: byServer}, Server},
		"beside an error without a party":   {errors.Join(io.ErrUnexpectedEOF, byServer, io.EOF), Server},
		"a service with a name":             {fmt.Errorf("reading: %w", byDatabase), database},
		"found to be another's":             {By(Engine, fmt.Errorf("reading: %w", byServer)), Engine},
		"found to be a lesser one's":        {By(Generator, By(Lab, io.ErrUnexpectedEOF)), Generator},
		"beside the engine's":               {errors.Join(byServer, By(Engine, io.ErrUnexpectedEOF)), Engine},
		"beside the lab's, in one format":   {fmt.Errorf("%w; %w", byServer, By(Lab, io.EOF)), Lab},
		"beside the generator's":            {errors.Join(byDatabase, By(Generator, io.EOF)), Generator},
		"an interruption and its aftermath": {errors.Join(By(Engine, io.EOF), By(User, io.EOF)), User},
		"two services":                      {errors.Join(byDatabase, byServer), database},
	} {
		if got := PartyOf(c.err); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
	err := By(Engine, fmt.Errorf("reading: %w", byServer))
	if !errors.Is(err, io.ErrUnexpectedEOF) || err.Error() != "reading: unexpected EOF" {
		t.Errorf("%v has lost its chain or its text", err)
	}
	if By(Server, nil) != nil {
		t.Error("no error was caused by the server")
	}
}

func TestACallIsEndedByWhoeverEndedItsContext(t *testing.T) {
	ended := func(cause error) context.Context {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		return ctx
	}
	for name, c := range map[string]struct {
		ctx  context.Context
		err  error
		want Party
	}{
		"no error":               {t.Context(), nil, Party{}},
		"a running context":      {t.Context(), io.EOF, Lab},
		"a party that err names": {t.Context(), By(Generator, io.EOF), Generator},
		"ended by the server":    {ended(By(Server, io.EOF)), context.Canceled, Server},
		"named before the end":   {ended(By(Server, io.EOF)), By(Generator, io.EOF), Generator},
		"ended without a party":  {ended(nil), context.Canceled, Party{}},
	} {
		err := During(c.ctx, Lab, c.err)
		if got := PartyOf(err); got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%s: %v by %+v, want %+v", name, err, got, c.want)
		}
	}
}
