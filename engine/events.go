package engine

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirmq/weir/codec"
	"github.com/weirmq/weir/security"
)

// eventQueue takes what is worth logging from the loops, and logs it on a
// goroutine: a logger may write to a pipe that nobody reads, and no loop may
// wait for that. What does not fit is dropped, and counted.
type eventQueue struct {
	engine  *Engine
	queue   chan logEntry
	dropped atomic.Uint64
	quit    chan struct{} // closed when nothing more will be put
	running sync.WaitGroup
}

// logEntry is an event, a panic or a line.
type logEntry struct {
	event Event
	panic *panicReport
	line  *logLine
}

// logLine is what the engine has to say that is about no connection.
type logLine struct {
	level slog.Level
	text  string
	attrs []any
}

// connInfo says which connection an event is about.
type connInfo struct {
	listener, clientID, username string
	remote                       net.Addr
}

type panicReport struct {
	value any
	stack []byte
	conn  connInfo
}

func (q *eventQueue) init(e *Engine) {
	q.engine = e
	q.queue = make(chan logEntry, maxEvents)
	q.quit = make(chan struct{})
}

func (q *eventQueue) put(entry logEntry) {
	select {
	case q.queue <- entry:
	default:
		q.dropped.Add(1)
	}
}

// start begins to log.
func (q *eventQueue) start() { q.running.Go(q.run) }

// finish logs what is left.
func (q *eventQueue) finish() {
	close(q.quit)
	q.running.Wait()
}

func (q *eventQueue) run() {
	said := uint64(0)
	for {
		select {
		case entry := <-q.queue:
			q.handle(entry)
		case <-q.quit:
			for {
				select {
				case entry := <-q.queue:
					q.handle(entry)
				default:
					return
				}
			}
		}
		if n := q.dropped.Load(); n != said && len(q.queue) == 0 {
			q.engine.log.Warn("events were not logged: too many at once", "events", n-said)
			said = n
		}
	}
}

func (q *eventQueue) handle(entry logEntry) {
	defer q.engine.containGoroutine()
	e := q.engine
	if p := entry.panic; p != nil {
		e.log.Error("internal error: this is a bug; the connection was closed",
			append(p.conn.attrs(), "panic", fmt.Sprint(p.value), "stack", string(p.stack))...)
		return
	}
	if line := entry.line; line != nil {
		e.log.Log(context.Background(), line.level, line.text, line.attrs...)
		return
	}
	entry.event.log(e.log)
	if e.options.Observe != nil {
		e.options.Observe(entry.event)
	}
}

func (i connInfo) attrs() []any {
	a := []any{"listener", i.listener}
	if i.remote != nil {
		a = append(a, "remote", i.remote.String())
	}
	if i.clientID != "" {
		a = append(a, "clientID", i.clientID)
	}
	if i.username != "" {
		a = append(a, "username", i.username)
	}
	return a
}

// log writes the event as one line.
func (ev *Event) log(log *slog.Logger) {
	a := connInfo{ev.Listener, ev.ClientID, ev.Username, ev.Remote}.attrs()
	level, text := slog.LevelInfo, ""
	switch ev.Kind {
	case EventConnect:
		level, text = slog.LevelDebug, "connected"
	case EventClose:
		text = "connection closed"
		level = ev.Reason.level()
		a = append(a, "reason", ev.Reason.String())
	case EventDeny:
		text = "not authorized"
		a = append(a, "action", ev.Action)
		if ev.Topic != "" {
			a = append(a, "topic", ev.Topic)
		}
	case EventReauthenticate:
		level, text = slog.LevelDebug, "re-authenticated"
		if ev.ReasonCode != byte(codec.Success) {
			level, text = slog.LevelWarn, "not re-authenticated for now"
		}
	}
	if ev.Dropped != nil {
		text = "messages dropped"
		a = append(a, "dropped", ev.Dropped.String())
	}
	if ev.ReasonCode != 0 {
		a = append(a, "reasonCode", codec.ReasonCode(ev.ReasonCode).String())
	}
	if ev.Detail != "" {
		a = append(a, "detail", ev.Detail)
	}
	log.Log(context.Background(), level, text, a...)
}

// level is how much an operator cares: what happens all the time on a healthy
// broker is for debugging.
func (r CloseReason) level() slog.Level {
	switch r {
	case CloseClientDisconnect, CloseServerShuttingDown, CloseSessionTakenOver:
		return slog.LevelDebug
	case CloseInternalError:
		return slog.LevelError
	}
	return slog.LevelInfo
}

func (e *Engine) report(p panicReport) { e.events.put(logEntry{panic: &p}) }

// tell logs a line: on the goroutine that logs everything, so that neither an
// event loop nor Apply waits for the Logger, and lines are in the order of what
// they are about.
func (e *Engine) tell(level slog.Level, text string, attrs ...any) {
	e.events.put(logEntry{line: &logLine{level, text, attrs}})
}

func (e *Engine) emit(kind EventKind, i connInfo, rest Event) {
	rest.Kind, rest.Time = kind, time.Now()
	rest.Listener, rest.Remote, rest.ClientID, rest.Username = i.listener, i.remote, i.clientID, i.username
	e.events.put(logEntry{event: rest})
}

// wants reports whether anyone would see events that are logged at level, to
// spare making them.
func (e *Engine) wants(level slog.Level) bool {
	return e.options.Observe != nil || e.log.Enabled(context.Background(), level)
}

func (e *Engine) connected(c *conn) {
	if e.wants(slog.LevelDebug) {
		e.emit(EventConnect, c.describe(), Event{})
	}
}

func (e *Engine) closed(c *conn) {
	c.port.gone()
	if c.port == e.internal || !e.wants(c.reason.level()) {
		return
	}
	e.emit(EventClose, c.describe(), Event{Reason: c.reason, ReasonCode: byte(c.code), Detail: c.detail()})
}

func (e *Engine) closedEarly(p *port, remote net.Addr, reason CloseReason, detail string) {
	e.early[reason].Add(1)
	e.emit(EventClose, connInfo{listener: p.name, remote: remote}, Event{Reason: reason, Detail: detail})
}

func (e *Engine) denied(i connInfo, a security.Action, topic, detail string) {
	if e.wants(slog.LevelInfo) {
		e.emit(EventDeny, i, Event{ReasonCode: byte(codec.NotAuthorized), Action: a.String(), Topic: topic, Detail: detail})
	}
}

// droppedMessages tells what a Session has lost since it began.
func (e *Engine) droppedMessages(s *Session, counts DropCounts) {
	if !e.wants(slog.LevelInfo) {
		return
	}
	i := s.conn.describe()
	i.clientID = s.clientID
	if s.port != nil {
		i.listener = s.port.name
	}
	e.emit(EventDrop, i, Event{Dropped: &counts})
}

// reauthenticated tells of an answer to AUTH that does not end the connection.
func (e *Engine) reauthenticated(c *conn, code codec.ReasonCode, detail string) {
	if code != codec.Success || e.wants(slog.LevelDebug) {
		e.emit(EventReauthenticate, c.describe(), Event{ReasonCode: byte(code), Detail: detail})
	}
}

// deniedPublish is denied for a PUBLISH, of which one Client can send very
// many: one event a second and connection says enough.
func (e *Engine) deniedPublish(c *conn, topic []byte) {
	r := c.needRare()
	if now := c.loop.now; now-r.deniedAt >= int64(time.Second) || r.deniedAt == 0 {
		r.deniedAt = now
		e.denied(c.describe(), security.ActionPublish, string(topic), "")
	}
}

// earlyCloses counts connections that ended before a loop had them.
type earlyCloses [closeReasons]atomic.Uint64

func (n *earlyCloses) addTo(s *Stats) {
	for i := range n {
		s.ConnectionsClosed[i] += n[i].Load()
	}
}

// containGoroutine is deferred on goroutines of the engine: a panic there is
// logged, and only what that goroutine was doing is lost.
func (e *Engine) containGoroutine() {
	if r := recover(); r != nil {
		e.panics.Add(1)
		e.report(panicReport{value: r, stack: debug.Stack()})
	}
}
