package image

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Reasons for which a pull is cancelled.
var (
	errNoAnswer = errors.New("the registry gave no answer")
	errStalled  = errors.New("the pull stalled")
)

// pull makes the engine fetch ref. It retries a few times if the registry answers that it is
// overloaded.
func (b *Builder) pull(ctx context.Context, ref string) error {
	started := time.Now()
	b.logf("pulling %s", ref)
	for attempt := 0; ; attempt++ {
		err := b.pullOnce(ctx, ref)
		if err == nil {
			b.logf("pulled %s in %s", ref, formatSeconds(started))
			return nil
		}
		err = fmt.Errorf("pull %s: %w", ref, err)
		if ctx.Err() != nil || !isBusy(err) || attempt == len(b.backoff) {
			return err
		}
		b.logf("%v; retrying in %v", err, b.backoff[attempt])
		if sleep(ctx, b.backoff[attempt]) != nil {
			return err
		}
	}
}

// pullOnce makes the engine fetch ref once. It gives up if the first message takes longer than
// firstAnswerTimeout, or a later one longer than stallTimeout.
func (b *Builder) pullOnce(ctx context.Context, ref string) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	answered := make(chan struct{}, 1)
	watch := time.AfterFunc(b.firstAnswerTimeout, func() {
		select {
		case <-answered:
			cancel(errStalled)
		default:
			cancel(WithKind(ErrUnreachable, fmt.Errorf("%w within %v", errNoAnswer, b.firstAnswerTimeout)))
		}
	})
	defer watch.Stop()

	err := b.engine.PullImage(ctx, ref, func() {
		select {
		case answered <- struct{}{}:
		default:
		}
		watch.Reset(b.stallTimeout)
	})
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return cause
	}
	return err
}

// isBusy reports whether a registry answered that it is overloaded, or stalled, so that a retry may
// help.
func isBusy(err error) bool { return errors.Is(err, errStalled) || errors.Is(err, ErrBusy) }
