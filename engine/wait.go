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
	l := c.loop
	e := l.engine
	if e.waiting.Add(1) > int64(e.limits.PendingAuthentications) {
		e.waiting.Add(-1)
		if c.state == stateAdmitting {
			c.refuseAuthentication(errTooManyWaiting)
		} else {
			c.disconnect(codec.QuotaExceeded, CloseQuotaExceeded)
		}
		return
	}
	ctx, cancel := context.WithTimeout(e.background, e.limits.AuthenticationTimeout)
	c.waiting, c.cancel = true, cancel
	e.goroutines.Go(func() {
		defer e.waiting.Add(-1)
		defer cancel()
		answer := guarded(e, ctx, work)
		l.post(func(l *loop) {
			if c.state >= stateClosing {
				return
			}
			c.waiting, c.cancel = false, nil
			l.answered(c, answer)
		})
	})
}

func (l *loop) answered(c *conn, answer func()) {
	defer l.contain(c)
	if answer == nil {
		c.close(CloseInternalError)
		return
	}
	answer()
	c.resume()
}

// guarded runs work, which is often not our code, and survives its panic.
func guarded(e *Engine, ctx context.Context, work func(context.Context) func()) (answer func()) {
	defer e.containGoroutine()
	return work(ctx)
}
