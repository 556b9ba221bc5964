package engine

import (
	"context"
	"errors"

	"github.com/weirmq/weir/codec"
)

var errTooManyWaiting = errors.New("too many Clients wait for authentication")

// wait runs work on a goroutine and what it returns on the connection's loop.
// Until then no packet of the connection is handled: input gathers in the
// carry, up to maxCarryBytes, so a connection waits for one thing at a time.
// work gets a context that ends when time is up or the connection goes.
func (c *conn) wait(work func(ctx context.Context) (answer func())) {
	c.waiting = true
	if c.ask(&c.needRare().cancel, func(ctx context.Context) func() {
		answer := work(ctx)
		return func() {
			c.waiting = false
			c.dropRare()
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
	e := c.loop.engine
	if e.waiting.Add(1) > int64(e.limits.PendingAuthentications) {
		e.waiting.Add(-1)
		return false
	}
	c.onGoroutine(cancel, work, func() { e.waiting.Add(-1) })
	return true
}

// onGoroutine is ask without the bound. At its end the goroutine calls done.
func (c *conn) onGoroutine(cancel *context.CancelFunc, work func(ctx context.Context) (answer func()), done func()) {
	l := c.loop
	e := l.engine
	ctx, stop := context.WithTimeout(e.background, e.limits.AuthenticationTimeout)
	*cancel = stop
	e.goroutines.Go(func() {
		defer done()
		defer stop()
		answer := guarded(e, ctx, work)
		l.postSingly(func(l *loop) {
			if c.state >= stateClosing {
				return
			}
			*cancel = nil
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
}

// guarded runs work, which is often not our code, and survives its panic.
func guarded(e *Engine, ctx context.Context, work func(context.Context) func()) (answer func()) {
	defer e.containGoroutine()
	return work(ctx)
}
