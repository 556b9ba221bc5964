package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/panjf2000/gnet/v2"

	"github.com/weirmq/weir/tlsstate"
)

// gnetReactor drives the loops with gnet: one of its event loops for each of
// ours, for as long as the engine runs.
//
// gnet fixes an engine's listeners when it starts, so ports that come and go
// would each be a gnet engine with event loops of its own, and a Session would
// have to leave when its port does. So accepting is ours (see port.accept),
// and connections are enrolled in the event loops of one gnet Client, which
// has no listeners. That costs each connection some system calls more and
// keeps one loop per processor whatever the number of ports.
type gnetReactor struct {
	engine *Engine
	client *gnet.Client
	base   time.Time

	// bells has one connection for each event loop, through which the loop is
	// reached: gnet hands out event loops by their connections only.
	bells []gnet.EventLoop
	// byEventLoop is complete before the first connection is enrolled.
	byEventLoop map[gnet.EventLoop]*loop
	alarms      []*time.Timer // one for each loop
	wakers      []gnet.Runnable

	// stopping is held for reading by whoever needs the event loops to be
	// there, and by shutdown for good: gnet would write to descriptors that it
	// has closed, and never answer whoever enrolls. Readers try and never
	// wait, because shutdown waits for some that need the loops to go on.
	stopping sync.RWMutex
}

func newGnetReactor(e *Engine) *gnetReactor {
	return &gnetReactor{engine: e, base: time.Now().Add(-time.Second)}
}

func (g *gnetReactor) now() int64 { return int64(time.Since(g.base)) }

func (g *gnetReactor) wake(l *loop) {
	// This allocates in gnet: once for a turn that has mail, never for a
	// message.
	if !g.stopping.TryRLock() {
		return
	}
	defer g.stopping.RUnlock()
	if err := g.bells[l.index].Execute(context.Background(), g.wakers[l.index]); err != nil {
		g.engine.tell(slog.LevelError, "cannot wake an event loop", "loop", l.index, "error", err)
	}
}

func (g *gnetReactor) wakeAt(l *loop, when int64) {
	g.alarms[l.index].Reset(time.Duration(when - g.now()))
}

func (g *gnetReactor) together(*loop, *loop) bool { return false }

func (g *gnetReactor) start() error {
	loops := g.engine.loops
	client, err := gnet.NewClient(&gnetHandler{g},
		gnet.WithNumEventLoop(len(loops)),
		gnet.WithLogger(gnetLogger{g.engine}),
	)
	if err != nil {
		return fmt.Errorf("engine: reactor: %w", err)
	}
	if err := client.Start(); err != nil {
		return fmt.Errorf("engine: reactor: %w", err)
	}
	g.client = client
	g.byEventLoop = make(map[gnet.EventLoop]*loop, len(loops))
	for _, l := range loops {
		el, far, err := g.findEventLoop()
		// Not before all are found: a bell whose far end is gone leaves its
		// loop, which then has the fewest connections again.
		defer func() { _ = syscall.Close(far) }()
		if err != nil {
			_ = client.Stop()
			g.client = nil
			return err
		}
		g.byEventLoop[el] = l
		g.bells = append(g.bells, el)
		g.alarms = append(g.alarms, newAlarm(g, l))
		g.wakers = append(g.wakers, gnet.RunnableFunc(func(context.Context) error {
			l.woken()
			return nil
		}))
	}
	return nil
}

func newAlarm(g *gnetReactor, l *loop) *time.Timer {
	t := time.AfterFunc(time.Hour, func() { g.wake(l) })
	t.Stop()
	return t
}

// findEventLoop learns about one more event loop: gnet gives a connection to
// the loop that has the fewest, so as many connections as there are loops find
// them all. They are socket pairs on which nothing is ever sent; far is the
// caller's to close.
func (g *gnetReactor) findEventLoop() (el gnet.EventLoop, far int, err error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		return nil, -1, fmt.Errorf("engine: reactor: %w", err)
	}
	far = fds[1]
	f := os.NewFile(uintptr(fds[0]), "bell")
	defer func() { _ = f.Close() }()
	nc, err := net.FileConn(f)
	if err != nil {
		return nil, far, fmt.Errorf("engine: reactor: %w", err)
	}
	gc, err := g.client.EnrollContext(nc, nil)
	if err != nil {
		return nil, far, fmt.Errorf("engine: reactor: %w", err)
	}
	el = gc.EventLoop()
	if g.byEventLoop[el] != nil {
		return nil, far, errors.New("engine: reactor: event loops are not handed out evenly")
	}
	return el, far, nil
}

func (g *gnetReactor) enroll(nc net.Conn, p *port, t *tlsstate.Conn) error {
	if !g.stopping.TryRLock() {
		_ = nc.Close()
		return ErrClosed
	}
	defer g.stopping.RUnlock()
	_, err := g.client.EnrollContext(nc, newConn(p, nil, t))
	return err
}

// accept leaves it to goroutines: gnet's event loops have the listeners that
// they started with.
func (g *gnetReactor) accept(*port) (stop func(), ok bool) { return nil, false }

func (g *gnetReactor) shutdown() {
	g.stopping.Lock()
	for _, t := range g.alarms {
		t.Stop()
	}
	if g.client != nil {
		_ = g.client.Stop() // it has nothing to say that matters now
	}
}

// gnetHandler is what gnet calls, each method on the event loop of its
// connection. A connection's context is its *conn; bells have none.
type gnetHandler struct{ *gnetReactor }

func (g *gnetHandler) OnBoot(gnet.Engine) gnet.Action       { return gnet.None }
func (g *gnetHandler) OnShutdown(gnet.Engine)               {}
func (g *gnetHandler) OnTick() (time.Duration, gnet.Action) { return time.Hour, gnet.None }
func (g *gnetHandler) OnOpen(gc gnet.Conn) ([]byte, gnet.Action) {
	c, ok := gc.Context().(*conn)
	if !ok {
		return nil, gnet.None
	}
	tr := &gnetTransport{reactor: g.gnetReactor, gc: gc, remote: gc.RemoteAddr()}
	if c.tr == nil {
		c.tr = tr
		g.byEventLoop[gc.EventLoop()].opened(c)
	} else {
		c.tr = tr
		c.loop.arrived(c)
	}
	return nil, gnet.None
}

func (g *gnetHandler) OnTraffic(gc gnet.Conn) gnet.Action {
	// Everything: what gnet would keep for us it would copy, and its Peek
	// across the end of its ring leaks a buffer (v2.10).
	b, err := gc.Next(-1)
	c, ok := gc.Context().(*conn)
	if err == nil && ok {
		c.loop.received(c, b)
	}
	return gnet.None
}

func (g *gnetHandler) OnClose(gc gnet.Conn, _ error) gnet.Action {
	c, ok := gc.Context().(*conn)
	if !ok {
		return gnet.None
	}
	if tr, ok := c.tr.(*gnetTransport); ok && tr.gc == gc {
		tr.gc = nil
		c.loop.lost(c)
	}
	return gnet.None
}

// gnetTransport is a connection in gnet's hands.
type gnetTransport struct {
	reactor *gnetReactor
	gc      gnet.Conn // nil once closed: its descriptor may be somebody else's by then
	remote  net.Addr
}

func (t *gnetTransport) write(b []byte) error {
	if t.gc == nil {
		return net.ErrClosed
	}
	_, err := t.gc.Write(b)
	return err
}

func (t *gnetTransport) writev(bs [][]byte) error {
	if t.gc == nil {
		return net.ErrClosed
	}
	_, err := t.gc.Writev(bs)
	return err
}

func (t *gnetTransport) buffered() int {
	if t.gc == nil {
		return 0
	}
	return t.gc.OutboundBuffered()
}

func (t *gnetTransport) close() {
	if gc := t.gc; gc != nil {
		t.gc = nil
		gc.SetContext(nil)
		_ = gc.EventLoop().Close(gc) // says only that the descriptor was bad
	}
}

func (t *gnetTransport) remoteAddr() net.Addr { return t.remote }

// move duplicates the descriptor, lets the old event loop close its own, and
// enrolls the duplicate in the new one.
func (t *gnetTransport) move(c *conn, to *loop) {
	fd, err := t.gc.Dup()
	t.close()
	if err == nil {
		err = t.reactor.enrollDescriptor(fd, c, to)
	}
	if err != nil {
		to.post(func(l *loop) { l.neverArrived(c, err) })
	}
}

func (g *gnetReactor) enrollDescriptor(fd int, c *conn, to *loop) error {
	f := os.NewFile(uintptr(fd), "moved")
	nc, err := net.FileConn(f)
	_ = f.Close() // FileConn has its own duplicate
	if err != nil {
		return err
	}
	if !g.stopping.TryRLock() {
		_ = nc.Close()
		return ErrClosed
	}
	result, err := g.bells[to.index].Enroll(gnet.NewContext(context.Background(), c), nc)
	if err != nil {
		g.stopping.RUnlock()
		_ = nc.Close()
		return err
	}
	g.engine.goroutines.Go(func() {
		r := <-result
		g.stopping.RUnlock()
		if r.Err != nil {
			to.post(func(l *loop) { l.neverArrived(c, r.Err) })
		}
	})
	return nil
}

// gnetLogger passes on what gnet finds worth an error; what it says otherwise
// is about itself.
type gnetLogger struct{ engine *Engine }

func (gnetLogger) Debugf(string, ...any) {}
func (gnetLogger) Infof(string, ...any)  {}
func (g gnetLogger) Warnf(format string, args ...any) {
	g.engine.tell(slog.LevelDebug, "reactor: "+fmt.Sprintf(format, args...))
}

func (g gnetLogger) Errorf(format string, args ...any) {
	g.engine.tell(slog.LevelWarn, "reactor: "+fmt.Sprintf(format, args...))
}

func (g gnetLogger) Fatalf(format string, args ...any) {
	g.engine.tell(slog.LevelError, "reactor: "+fmt.Sprintf(format, args...))
}
