package e2e

// What a Client learns, in the numbers that MQTT 5.0 has for it.
const (
	success          = 0
	grantedQoS1      = 1
	notAuthorized    = 135
	sessionTakenOver = 142
	badUserName      = 134

	refusedV311 = 5   // CONNACK of MQTT 3.1.1: not authorized
	badUserV311 = 4   // CONNACK of MQTT 3.1.1: bad user name or password
	failureV311 = 128 // SUBACK of MQTT 3.1.1
)

// measurement is the payload of the tutorial.
const measurement = "example temperature measurement"

// client is who connects, and how. The zero value has no certificate.
type client struct {
	name     string // of its certificate, and its Client Identifier
	id       string // its Client Identifier, if that is another
	userName string
	password string // "": none
	will     string // Topic Name of its Will
	trusts   string // who issued the Server's certificate; contoso_root_ca if ""
	plain    bool   // no TLS
	v311     bool   // MQTT 3.1.1
}

// The tutorial's Clients.
var (
	thermostat = client{name: "thermostat"}
	hygrometer = client{name: "hygrometer"}
	heater     = client{name: "heater"}
	lightbulb  = client{name: "lightbulb"}
)

// newcomer has a certificate of Fabrikam's, and no attributes: there is no
// intermediate in its chain.
var newcomer = client{name: "newcomer"}

func (c client) clientID() string {
	switch {
	case c.id != "":
		return c.id
	case c.name != "":
		return c.name
	}
	return "nobody"
}

func (c client) caFile() string {
	if c.trusts != "" {
		return c.trusts + ".crt"
	}
	return "contoso_root_ca.crt"
}

// message is what a Client publishes.
type message struct {
	topic   string
	payload string // measurement if ""
	qos0    bool   // QoS 0 and not 1
}

func (m message) text() string {
	if m.payload == "" {
		return measurement
	}
	return m.payload
}

func (m message) qos() int {
	if m.qos0 {
		return 0
	}
	return 1
}

// player makes Clients do things, and fails the test unless they see what they
// should.
type player interface {
	// publish connects, publishes, expects this Reason Code in the PUBACK if
	// there is one, and disconnects.
	publish(c client, m message, want byte)
	// subscribe connects and subscribes with QoS 1 to all filters in one
	// SUBSCRIBE. If none is granted the Client disconnects.
	subscribe(c client, want []byte, filters ...string) subscriber
	// publisher connects and stays, to publish to one topic.
	publisher(c client, topic string) publisher
	// refused connects and expects this code in the CONNACK, and no more.
	refused(c client, want byte)
	// fails connects and expects that no CONNACK comes. It returns what the
	// Client says.
	fails(c client) string
	// unreachable connects and expects that nobody listens.
	unreachable(c client)
}

// subscriber is a Client that stays connected.
type subscriber interface {
	// receives expects this message to be the next.
	receives(m message)
	// takenOver expects a DISCONNECT that says so, and the end.
	takenOver()
	// cutAndRefused expects a DISCONNECT with this code, and the same in the
	// CONNACK if it connects again.
	cutAndRefused(want byte)
	// cutAndBack expects the connection to be closed without a DISCONNECT, and
	// connects and subscribes again, which succeeds.
	cutAndBack()
}

// publisher is a Client that stays connected.
type publisher interface {
	// send publishes with QoS 1 and expects this Reason Code in the PUBACK.
	send(payload string, want byte)
}

// granted is what a SUBACK says if all filters are granted.
func granted(filters ...string) []byte {
	codes := make([]byte, len(filters))
	for i := range codes {
		codes[i] = grantedQoS1
	}
	return codes
}

// receivesOnly has c publish and expects sub to receive that and nothing else,
// neither now nor from what others published before: that would come before the
// second of two messages, though not always before the first.
func (s *site) receivesOnly(sub subscriber, c client, topic string) {
	s.t.Helper()
	for _, payload := range []string{"the first", "the second"} {
		m := message{topic: topic, payload: payload}
		s.publish(c, m, success)
		sub.receives(m)
	}
}
