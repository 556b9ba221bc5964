package engine

import (
	"context"
	"errors"

	"github.com/weirmq/weir/codec"
)

var errTooManyWaiting = errors.New("too many Clients wait for authentication")

// wait runs work on a goroutine and what it returns on the connection's loop.
// Until then no packet of the connection is handled: input gathers in the
// carry, up to maxCarryBytes. work gets a context that ends when time is up
// or the connection goes.
func (c *conn) wait(work func(ctx context.Context) (answer func())) {
	c.waiting = true
	if c.ask(&c.cancel, func(ctx context.Context) func() {
		answer := work(ctx)
		return func() {
			c.waiting = false
			answer()
			c.resume()
		}
	}) {
		return
	}
	c.waiting = false
	if c.state == stateAdmitting {
		c.refuseAuthentication(errTooManyWaiting)
	} else {
		c.disconnect(codec.QuotaExceeded, CloseQuotaExceeded)
	}
}

// ask runs work on a goroutine and what it returns on the connection's loop, if
// the connection is still there. It sets cancel meanwhile. It returns false if
// too many Clients have been asked about.
func (c *conn) ask(cancel *context.CancelFunc, work func(ctx context.Context) (answer func())) (started bool) {
	l := c.loop
	e := l.engine
	if e.waiting.Add(1) > int64(e.limits.PendingAuthentications) {
		e.waiting.Add(-1)
		return false
	}
	ctx, done := context.WithTimeout(e.background, e.limits.AuthenticationTimeout)
	*cancel = done
	e.goroutines.Go(func() {
		defer e.waiting.Add(-1)
		defer done()
		answer := guarded(e, ctx, work)
		l.post(func(l *loop) {
			if c.state >= stateClosing {
				return
			}
			*cancel = nil
			l.answered(c, answer)
		})
	})
	return true
}

func (l *loop) answered(c *conn, answer func()) {
	defer l.contain(c)
	if answer == nil {
		c.close(CloseInternalError)
		return
	}
	answer()
}

// guarded runs work, which is often not our code, and survives its panic.
func guarded(e *Engine, ctx context.Context, work func(context.Context) func()) (answer func()) {
	defer e.containGoroutine()
	return work(ctx)
}
