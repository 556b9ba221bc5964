package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/puzpuzpuz/xsync/v3"

	"github.com/weirmq/weir/codec"
	"github.com/weirmq/weir/tlsstate"
	"github.com/weirmq/weir/topics"
)

// Engine is a broker. Make one with New, start it with Run. A program may have
// several. Its exported methods are safe for concurrent use.
type Engine struct {
	options Options
	limits  Limits
	log     *slog.Logger

	loops      []*loop
	reactor    reactor
	handshaker *tlsstate.Handshaker

	trie     *topics.Trie[*Session]
	retained retainedStore
	// registry says on which loop the Session of a Client Identifier lives.
	registry *xsync.MapOf[string, *loop]

	held        holdings
	input       atomic.Int64 // see Limits.InputBytes
	sessions    atomic.Int64
	filters     atomic.Int64  // see Limits.SubscriptionBytes
	connections atomic.Int64  // open, handshakes included
	waiting     atomic.Int64  // for an authenticator or authorizer
	delayed     atomic.Uint64 // connections that a ConnectRate held back
	early       earlyCloses
	panics      atomic.Uint64 // on goroutines; the loops count their own
	events      eventQueue

	// wallClock tells when credentials end. It is time.Now, except in tests.
	wallClock func() time.Time

	// background ends when the engine stops; what runs on goroutines of the
	// engine is counted in goroutines.
	background context.Context
	stop       context.CancelFunc
	goroutines sync.WaitGroup
	handshakes handshakes

	internal *port // of the Server's own connections

	applying sync.Mutex // serializes Apply, Run's start and its end
	ports    map[string]*port
	state    runState
	started  chan struct{} // closed once the listeners are open
}

type runState byte

const (
	notRunning runState = iota
	running
	stopped
)

// reactor is the driver as the engine starts and feeds it.
type reactor interface {
	driver
	// start begins to run the loops.
	start() error
	// accept has the loops accept a port's connections themselves, until stop
	// is called. If that is not for this reactor, goroutines accept, and use
	// enroll.
	accept(p *port) (stop func(), ok bool)
	// enroll hands an accepted connection to one of the loops, which is told
	// by loop.opened. It takes nc over, also when it fails.
	enroll(nc net.Conn, p *port, t *tlsstate.Conn) error
	// shutdown ends the loops. Connections still open are dropped.
	shutdown()
}

// New checks the options and makes an Engine. Nothing is opened before Run.
func New(o Options) (*Engine, error) {
	o = o.withDefaults()
	if o.SharedSubscriptions >= sharedStrategies {
		return nil, fmt.Errorf("engine: Options.SharedSubscriptions is %d, which is no SharedStrategy", o.SharedSubscriptions)
	}
	if o.Limits.QueueStrategy > DropOldest {
		return nil, fmt.Errorf("engine: Limits.QueueStrategy is %d, which is no QueueStrategy", o.Limits.QueueStrategy)
	}
	if err := validateListeners(o.Listeners); err != nil {
		return nil, err
	}
	e := newEngine(o)
	e.useReactor(newReactor(e))
	return e, nil
}

// newEngine makes an Engine that has no reactor yet.
func newEngine(o Options) *Engine {
	e := &Engine{
		options:    o,
		limits:     o.Limits,
		log:        o.Logger,
		handshaker: tlsstate.NewHandshaker(o.Handshakes),
		trie:       topics.NewTrie[*Session](),
		retained:   retainedStore{index: topics.NewRetained[message]()},
		registry:   xsync.NewMapOf[string, *loop](),
		ports:      make(map[string]*port),
		started:    make(chan struct{}),
		wallClock:  time.Now,
	}
	e.background, e.stop = context.WithCancel(context.Background())
	e.retained.held = &e.held
	e.held.init(&e.limits, o.Loops)
	e.events.init(e)
	e.handshakes.init(e)
	e.internal = &port{engine: e, name: "internal"}
	e.internal.policy.Store(new(policy))
	for i := range o.Loops {
		e.loops = append(e.loops, newLoop(e, i, o.Loops))
	}
	return e
}

func (e *Engine) useReactor(r reactor) {
	e.reactor = r
	for _, l := range e.loops {
		l.driver = r
	}
}

// Run serves until ctx ends, then drains: it stops accepting, tells MQTT 5
// Clients that the Server shuts down, writes what waits for them, for
// Limits.DrainTimeout at most, and returns nil. It returns an error, and
// serves nothing, when a listener cannot be opened.
//
// It returns when everything that it called has: a handler of Subscribe, an
// Authenticator or an Observe that does not return holds it up.
//
// An Engine runs once.
func (e *Engine) Run(ctx context.Context) error {
	if err := e.open(); err != nil {
		return err
	}
	e.goroutines.Go(e.keepHouse)
	e.goroutines.Go(e.keepSys)
	<-ctx.Done()
	e.drain()
	return nil
}

func (e *Engine) open() (err error) {
	e.applying.Lock()
	defer e.applying.Unlock()
	if e.state != notRunning {
		return ErrClosed
	}
	defer func() {
		if err != nil {
			e.halt()
			close(e.started)
		}
	}()
	for _, l := range e.options.Listeners {
		p, err := e.openPort(l)
		if err != nil {
			return err
		}
		e.ports[p.name] = p
	}
	e.events.start()
	if err := e.reactor.start(); err != nil {
		return err
	}
	e.state = running
	for _, p := range e.ports {
		p.start()
	}
	close(e.started)
	return nil
}

// Started is closed when the listeners given in Options are open, or when Run
// has failed; then the other methods return ErrClosed.
func (e *Engine) Started() <-chan struct{} { return e.started }

// Apply makes listeners the ones that are open. One that is open already, by
// its name and address, takes the new settings without losing a connection;
// one that is not named any more is closed with its connections. What cannot
// be opened is reported in the error, as *ListenerError values joined, and the
// rest is served.
//
// Changed policies follow Listener.OnPolicyChange; a new policy decides about
// every packet that arrives after Apply has returned.
func (e *Engine) Apply(ctx context.Context, listeners []Listener) error {
	if err := validateListeners(listeners); err != nil {
		return err
	}
	select {
	case <-e.started:
	case <-ctx.Done():
		return ErrNotRunning
	}
	e.applying.Lock()
	defer e.applying.Unlock()
	if e.state != running {
		return ErrClosed
	}
	wanted := make(map[string]Listener, len(listeners))
	for _, l := range listeners {
		wanted[l.name()] = l
	}
	// Closing comes first: a port may have changed its name and kept its
	// address.
	for name, p := range e.ports {
		l, ok := wanted[name]
		if ok && l.Address == p.address && (l.Listener == nil || same(l.Listener, p.listener)) && l.sameKind(&p.spec) {
			continue
		}
		e.removePort(p)
	}
	var errs []error
	for _, l := range listeners {
		if p := e.ports[l.name()]; p != nil {
			changed, err := p.change(l)
			if err != nil {
				errs = append(errs, err)
			}
			if changed {
				e.recheck(p)
			}
			continue
		}
		p, err := e.openPort(l)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		e.ports[p.name] = p
		p.start()
	}
	return errors.Join(errs...)
}

// removePort closes a port and its connections.
func (e *Engine) removePort(p *port) {
	delete(e.ports, p.name)
	p.close()
	for _, l := range e.loops {
		l.post(func(l *loop) { l.closePort(p) })
	}
}

func (l *loop) closePort(p *port) {
	for c := l.conns.first; c != nil; c = c.next {
		if c.port == p {
			c.dismiss(codec.Success, CloseListenerRemoved, "")
		}
	}
}

// Addr returns the address that the named listener has, or nil.
func (e *Engine) Addr(name string) net.Addr {
	e.applying.Lock()
	defer e.applying.Unlock()
	if p := e.ports[name]; p != nil {
		return p.listener.Addr()
	}
	return nil
}

// drain ends the engine in an orderly way.
func (e *Engine) drain() {
	e.applying.Lock()
	defer e.applying.Unlock()
	e.state = stopped
	for _, p := range e.ports {
		p.close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), e.limits.DrainTimeout+drainGrace)
	defer cancel()
	drained := make(chan struct{}, len(e.loops))
	for _, l := range e.loops {
		l.post(func(l *loop) {
			l.drain(l.now+int64(e.limits.DrainTimeout), func() { drained <- struct{}{} })
		})
	}
	for range e.loops {
		select {
		case <-drained:
		case <-ctx.Done():
		}
	}
	e.halt()
}

// halt stops everything. It is called with applying held.
func (e *Engine) halt() {
	e.state = stopped
	for _, p := range e.ports {
		p.stop()
	}
	e.stop()
	e.reactor.shutdown()
	e.goroutines.Wait()
	e.events.finish() // last: all of the above say why connections ended
}

// drain ends the loop's connections, and calls drained when there are none
// left. Those whose Clients have not taken what was written are left until
// they have, or until the loop's time is until. Wills are not published:
// everyone they could go to is being told the same.
func (l *loop) drain(until int64, drained func()) {
	l.draining = true
	l.lingerUntil, l.drained = until, drained
	for c := l.conns.first; c != nil; c = c.next {
		c.disconnect(codec.ServerShuttingDown, CloseServerShuttingDown)
	}
}

// lingers keeps a closed connection of a loop that drains as long as there is
// output in its transport, which would be lost.
func (l *loop) lingers(c *conn) bool {
	if !l.draining || l.now >= l.lingerUntil || c.tr.buffered() == 0 {
		return false
	}
	l.lingering = append(l.lingering, c)
	return true
}
