//go:build e2e

package e2e

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func init() { kits = append(kits, mosquittoKit) }

// mosquittoKit is what the tutorial uses.
var mosquittoKit = &kit{
	name:   "mosquitto",
	need:   func(t testing.TB) { needTools(t, "step", "mosquitto_pub", "mosquitto_sub", "bash", "stdbuf") },
	issue:  issueWithStep,
	player: func(s *site) player { return &mosquittoPlayer{s} },
}

// issueWithStep types the tutorial's commands.
func issueWithStep(t testing.TB, dir string) {
	t.Helper()
	script, err := filepath.Abs("testdata/step.sh")
	if err != nil {
		t.Fatal(err)
	}
	if out, code := run(t, dir, nil, "bash", script); code != 0 {
		t.Fatalf("%s: exit code %d\n%s", script, code, out)
	}
}

// mosquittoPlayer plays with mosquitto_pub and mosquitto_sub, and compares
// every line that they print.
type mosquittoPlayer struct{ s *site }

// options are those that the tutorial gives every command.
func (p *mosquittoPlayer) options(c client) []string {
	options := []string{"-i", c.clientID(), "-d", "-h", "localhost", "-p", strconv.Itoa(p.s.port), "-V", "mqttv5"}
	if c.v311 {
		options[len(options)-1] = "mqttv311"
	}
	if !c.plain {
		options = append(options, "--cafile", c.caFile())
	}
	if c.name != "" {
		options = append(options, "--key", c.name+".key", "--cert", c.name+".crt")
	}
	if c.userName != "" {
		options = append(options, "-u", c.userName)
	}
	if c.password != "" {
		options = append(options, "-P", c.password)
	}
	if c.will != "" {
		options = append(options, "--will-topic", c.will, "--will-payload", "gone")
	}
	return options
}

func (p *mosquittoPlayer) pub(c client, args ...string) *terminal {
	p.s.t.Helper()
	return startUnbuffered(p.s.t, p.s.dir, nil, slices.Concat([]string{"mosquitto_pub"}, p.options(c), args)...)
}

func (p *mosquittoPlayer) sub(c client, filters ...string) *terminal {
	p.s.t.Helper()
	args := slices.Concat([]string{"mosquitto_sub", "-q", "1"}, p.options(c))
	for _, filter := range filters {
		args = append(args, "-t", filter)
	}
	return startUnbuffered(p.s.t, p.s.dir, nil, args...)
}

// connected are the lines with which a Client begins.
func connected(c client) []string {
	return []string{
		fmt.Sprintf("Client %s sending CONNECT", c.clientID()),
		fmt.Sprintf("Client %s received CONNACK (0)", c.clientID()),
	}
}

// published are the lines of a message and its PUBACK. n counts the messages of
// the Client.
func published(c client, m message, n int, want byte) []string {
	if m.qos0 {
		return []string{fmt.Sprintf("Client %s sending PUBLISH (d0, q0, r0, m%d, '%s', ... (%d bytes))", c.clientID(), n, m.topic, len(m.text()))}
	}
	lines := []string{
		fmt.Sprintf("Client %s sending PUBLISH (d0, q1, r0, m%d, '%s', ... (%d bytes))", c.clientID(), n, m.topic, len(m.text())),
		fmt.Sprintf("Client %s received PUBACK (Mid: %d, RC:%d)", c.clientID(), n, want),
	}
	if want == notAuthorized {
		lines = append(lines, fmt.Sprintf("Warning: Publish %d failed: Not authorized.", n))
	}
	return lines
}

// subscribed are the lines of a SUBSCRIBE and its SUBACK. n counts the
// SUBSCRIBE packets of the Client.
func subscribed(c client, want []byte, filters []string, n int) []string {
	var lines, codes []string
	for i, filter := range filters {
		lines = append(lines, fmt.Sprintf("Client %s sending SUBSCRIBE (Mid: %d, Topic: %s, QoS: 1, Options: 0x00)", c.clientID(), n, filter))
		codes = append(codes, strconv.Itoa(int(want[i])))
	}
	return append(lines,
		fmt.Sprintf("Client %s received SUBACK", c.clientID()),
		fmt.Sprintf("Subscribed (mid: %d): %s", n, strings.Join(codes, ", ")))
}

// turnedAway are the lines of a CONNECT that is refused.
func turnedAway(c client, want byte) []string {
	reason := map[byte]string{
		notAuthorized: "Not authorized",
		badUserName:   "Bad User Name or Password",
		refusedV311:   "Connection Refused: not authorised.", //nolint:misspell // as mosquitto has it
		badUserV311:   "Connection Refused: bad user name or password.",
	}[want]
	return []string{
		fmt.Sprintf("Client %s sending CONNECT", c.clientID()),
		fmt.Sprintf("Client %s received CONNACK (%d)", c.clientID(), want),
		"Connection error: " + reason,
	}
}

// disconnecting is the line with which a Client ends.
func disconnecting(c client) string { return fmt.Sprintf("Client %s sending DISCONNECT", c.clientID()) }

func (p *mosquittoPlayer) publish(c client, m message, want byte) {
	p.s.t.Helper()
	pub := p.pub(c, "-t", m.topic, "-m", m.text(), "-q", strconv.Itoa(m.qos()))
	pub.prints(connected(c)...)
	pub.prints(published(c, m, 1, want)...)
	pub.prints(disconnecting(c))
	pub.exits(0)
}

func (p *mosquittoPlayer) subscribe(c client, want []byte, filters ...string) subscriber {
	p.s.t.Helper()
	sub := p.sub(c, filters...)
	sub.prints(connected(c)...)
	sub.prints(subscribed(c, want, filters, 1)...)
	for _, code := range want {
		if code < 0x80 {
			return &mosquittoSubscriber{p, c, filters, sub}
		}
	}
	sub.prints(disconnecting(c), "All subscription requests were denied.")
	sub.exits(0)
	return nil
}

func (p *mosquittoPlayer) publisher(c client, topic string) publisher {
	p.s.t.Helper()
	pub := p.pub(c, "-t", topic, "-q", "1", "-l") // each line of its input is a message
	pub.prints(connected(c)...)
	return &mosquittoPublisher{p: p, c: c, topic: topic, pub: pub}
}

func (p *mosquittoPlayer) refused(c client, want byte) {
	p.s.t.Helper()
	pub := p.pub(c, "-t", "example/topic", "-m", measurement)
	pub.prints(turnedAway(c, want)...)
	if c.v311 {
		pub.prints("Error: The connection was refused.")
	} else {
		pub.prints("Error: A network protocol error occurred when communicating with the broker.")
	}
	pub.exits(int(want))

	sub := p.sub(c, "example/topic")
	sub.prints(turnedAway(c, want)...)
	sub.prints(disconnecting(c))
	sub.exits(int(want))
}

// fails asserts what does not depend on which side finds out first: no
// CONNACK, and an exit code that is not 0.
func (p *mosquittoPlayer) fails(c client) string {
	p.s.t.Helper()
	pub := p.pub(c, "-t", "example/topic", "-m", measurement)
	code := pub.wait()
	said := pub.out.String()
	if code == 0 || strings.Contains(said, "CONNACK") {
		p.s.t.Fatalf("mosquitto_pub: exit code %d\n%s", code, said)
	}
	return said
}

func (p *mosquittoPlayer) unreachable(c client) {
	p.s.t.Helper()
	pub := p.pub(c, "-t", "example/topic", "-m", measurement)
	pub.prints("Error: Connection refused")
	pub.exits(1)
}

type mosquittoSubscriber struct {
	p       *mosquittoPlayer
	c       client
	filters []string
	sub     *terminal
}

func (m *mosquittoSubscriber) receives(want message) {
	m.p.s.t.Helper()
	id := m.c.clientID()
	line, _ := m.sub.nextLine()
	var mid int
	format := fmt.Sprintf("Client %s received PUBLISH (d0, q1, r0, m%%d, '%s', ... (%d bytes))", id, want.topic, len(want.text()))
	if _, err := fmt.Sscanf(line, format, &mid); err != nil {
		m.p.s.t.Fatalf("mosquitto_sub printed %q, want a PUBLISH to %s, in\n%s", line, want.topic, m.sub.out)
	}
	m.sub.prints(fmt.Sprintf("Client %s sending PUBACK (m%d, rc0)", id, mid), want.text())
}

func (m *mosquittoSubscriber) takenOver() {
	m.p.s.t.Helper()
	m.sub.prints(fmt.Sprintf("Received DISCONNECT (%d)", sessionTakenOver))
	m.sub.exits(0)
}

func (m *mosquittoSubscriber) cutAndRefused(want byte) {
	m.p.s.t.Helper()
	m.sub.prints(fmt.Sprintf("Received DISCONNECT (%d)", want))
	m.sub.exits(0)
	m.p.refused(m.c, want)
}

func (m *mosquittoSubscriber) cutAndBack() {
	m.p.s.t.Helper()
	m.sub.prints(connected(m.c)...)
	m.sub.prints(subscribed(m.c, granted(m.filters...), m.filters, 2)...)
}

type mosquittoPublisher struct {
	p     *mosquittoPlayer
	c     client
	topic string
	pub   *terminal
	sent  int
}

func (m *mosquittoPublisher) send(payload string, want byte) {
	m.p.s.t.Helper()
	if _, err := io.WriteString(m.pub.stdin, payload+"\n"); err != nil {
		m.p.s.t.Fatal(err)
	}
	m.sent++
	m.pub.prints(published(m.c, message{topic: m.topic, payload: payload}, m.sent, want)...)
}
