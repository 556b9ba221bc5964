package engine

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/weirmq/weir/codec"
)

// arguments is the words of a packet in a conversation: flags such as retain
// and pairs such as topic=a/b, each of which has to be understood.
type arguments struct {
	t     testing.TB
	words []string
}

func splitWords(t testing.TB, text string) (words []string) {
	t.Helper()
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimSpace(text) {
		end := strings.IndexAny(text, ` "`)
		if end < 0 {
			end = len(text)
		}
		word := text[:end]
		if end < len(text) && text[end] == '"' {
			quoted, err := strconv.QuotedPrefix(text[end:])
			if err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			plain, _ := strconv.Unquote(quoted)
			word += plain
			end += len(quoted)
		}
		words = append(words, word)
		text = text[end:]
	}
	return words
}

func (a *arguments) flag(name string) bool {
	i := slices.Index(a.words, name)
	if i < 0 {
		return false
	}
	a.words = slices.Delete(a.words, i, i+1)
	return true
}

func (a *arguments) text(name string) (value string, ok bool) {
	for i, w := range a.words {
		if v, found := strings.CutPrefix(w, name+"="); found {
			a.words = slices.Delete(a.words, i, i+1)
			return v, true
		}
	}
	return "", false
}

// bytes is text, where x*1000 stands for a thousand x.
func (a *arguments) bytes(name string) (value []byte, ok bool) {
	text, ok := a.text(name)
	if what, times, many := strings.Cut(text, "*"); many {
		text = strings.Repeat(what, atoi(a.t, times))
	}
	return []byte(text), ok
}

func (a *arguments) number(name string) (value int, ok bool) {
	text, ok := a.text(name)
	switch {
	case !ok:
		return 0, false
	case text == "never":
		return sessionNeverExpires, true
	}
	return atoi(a.t, text), true
}

func (a *arguments) qos(prefix string) codec.QoS {
	for q := codec.QoS0; q <= codec.QoS2; q++ {
		if a.flag(prefix + strconv.Itoa(int(q))) {
			return q
		}
	}
	return codec.QoS0
}

func (a *arguments) done() {
	a.t.Helper()
	if len(a.words) > 0 {
		a.t.Fatalf("these words mean nothing here: %q", a.words)
	}
}

var versions = map[string]codec.Version{"v5": codec.V5, "v3.1.1": codec.V311, "v3.1": codec.V31}

func versionOf(t testing.TB, text string) codec.Version {
	t.Helper()
	v, ok := versions[text]
	if !ok {
		t.Fatalf("%q is not a version", text)
	}
	return v
}

// encodePacket encodes a packet such as "PUBLISH q1 id=7 topic=a/b payload=hi",
// or "RAW 10 0c ..." for bytes that are no packet.
func encodePacket(t testing.TB, k *talker, text string) []byte {
	t.Helper()
	words := splitWords(t, text)
	a := &arguments{t, words[1:]}
	defer a.done()
	if words[0] == "CONNECT" {
		return encodeConnect(a, k)
	}
	id, _ := a.number("id")
	code, _ := a.number("rc")
	packetID, rc := codec.PacketID(id), codec.ReasonCode(code)
	switch words[0] {
	case "RAW":
		b, err := hex.DecodeString(strings.Join(a.words, ""))
		if err != nil {
			t.Fatal(err)
		}
		a.words = nil
		return b
	case "PUBLISH":
		return encodePublish(a, k.version, packetID)
	case "PUBACK":
		return codec.AppendAck(nil, k.version, codec.TypePuback, packetID, rc)
	case "PUBREC":
		return codec.AppendAck(nil, k.version, codec.TypePubrec, packetID, rc)
	case "PUBREL":
		return codec.AppendAck(nil, k.version, codec.TypePubrel, packetID, rc)
	case "PUBCOMP":
		return codec.AppendAck(nil, k.version, codec.TypePubcomp, packetID, rc)
	case "SUBSCRIBE":
		return encodeSubscribe(a, k.version, packetID)
	case "UNSUBSCRIBE":
		u := codec.Unsubscribe{PacketID: packetID}
		for filter, ok := a.text("filter"); ok; filter, ok = a.text("filter") {
			u.TopicFilters = append(u.TopicFilters, []byte(filter))
		}
		return codec.AppendUnsubscribe(nil, k.version, &u)
	case "PINGREQ":
		return codec.AppendPingreq(nil)
	case "DISCONNECT":
		d := codec.Disconnect{ReasonCode: rc}
		if n, ok := a.number("expiry"); ok {
			d.Properties.SetSessionExpiryInterval(uint32(n))
		}
		return codec.AppendDisconnect(nil, &d)
	case "AUTH":
		p := codec.Auth{ReasonCode: rc}
		if method, ok := a.text("method"); ok {
			p.Properties.SetAuthenticationMethod([]byte(method))
		}
		if data, ok := a.text("data"); ok {
			p.Properties.SetAuthenticationData([]byte(data))
		}
		return codec.AppendAuth(nil, &p)
	}
	t.Fatalf("%q is not a packet", words[0])
	return nil
}

func encodeConnect(a *arguments, k *talker) []byte {
	c := codec.Connect{Version: codec.V5, CleanStart: a.flag("clean"), ClientID: []byte(k.name)}
	for name, v := range versions {
		if a.flag(name) {
			c.Version = v
		}
	}
	k.version = c.Version
	if name, ok := a.text("client"); ok {
		c.ClientID = []byte(name)
	}
	keepAlive, _ := a.number("keep-alive")
	c.KeepAlive = uint16(keepAlive)
	c.UserName, c.HasUserName = a.bytes("user")
	c.Password, c.HasPassword = a.bytes("password")
	if n, ok := a.number("expiry"); ok {
		c.Properties.SetSessionExpiryInterval(uint32(n))
	}
	if n, ok := a.number("receive-maximum"); ok {
		c.Properties.SetReceiveMaximum(uint16(n))
	}
	if n, ok := a.number("maximum-packet-size"); ok {
		c.Properties.SetMaximumPacketSize(uint32(n))
	}
	if n, ok := a.number("topic-alias-maximum"); ok {
		c.Properties.SetTopicAliasMaximum(uint16(n))
	}
	if n, ok := a.number("request-problem-information"); ok {
		c.Properties.SetRequestProblemInformation(n == 1)
	}
	if n, ok := a.number("request-response-information"); ok {
		c.Properties.SetRequestResponseInformation(n == 1)
	}
	if method, ok := a.text("method"); ok {
		c.Properties.SetAuthenticationMethod([]byte(method))
	}
	if topic, ok := a.text("will"); ok {
		c.HasWill = true
		c.Will.TopicName = []byte(topic)
		c.Will.Payload, _ = a.bytes("will-payload")
		c.Will.QoS, c.Will.Retain = a.qos("will-q"), a.flag("will-retain")
		if n, ok := a.number("will-delay"); ok {
			c.Will.Properties.SetWillDelayInterval(uint32(n))
		}
		if n, ok := a.number("will-expiry"); ok {
			c.Will.Properties.SetMessageExpiryInterval(uint32(n))
		}
		for pair, ok := a.text("will-user-property"); ok; pair, ok = a.text("will-user-property") {
			name, value, _ := strings.Cut(pair, ":")
			c.Will.Properties.AddUserProperty(name, value)
		}
		if text, ok := a.text("will-content"); ok {
			c.Will.Properties.SetContentType([]byte(text))
		}
	}
	return codec.AppendConnect(nil, &c)
}

func encodePublish(a *arguments, v codec.Version, id codec.PacketID) []byte {
	p := codec.Publish{PacketID: id, QoS: a.qos("q"), Retain: a.flag("retain"), Dup: a.flag("dup")}
	topic, _ := a.text("topic")
	p.TopicName = []byte(topic)
	p.Payload, _ = a.bytes("payload")
	if n, ok := a.number("expiry"); ok {
		p.HasMessageExpiryInterval, p.MessageExpiryInterval = true, uint32(n)
	}
	if n, ok := a.number("alias"); ok {
		p.TopicAlias = uint16(n)
	}
	var forward codec.Properties
	if n, ok := a.number("format"); ok {
		forward.SetPayloadFormatIndicator(byte(n))
	}
	if text, ok := a.text("content"); ok {
		forward.SetContentType([]byte(text))
	}
	if text, ok := a.text("response"); ok {
		forward.SetResponseTopic([]byte(text))
	}
	if text, ok := a.text("correlation"); ok {
		forward.SetCorrelationData([]byte(text))
	}
	for pair, ok := a.text("user-property"); ok; pair, ok = a.text("user-property") {
		name, value, _ := strings.Cut(pair, ":")
		forward.AddUserProperty(name, value)
	}
	if n, ok := a.number("subscription-id"); ok {
		forward.AddSubscriptionID(codec.SubscriptionID(n))
	}
	p.Forward = codec.AppendProperties(nil, &forward)
	return codec.AppendPublish(nil, v, &p)
}

// encodeSubscribe takes the options of a Topic Filter from the words that
// follow it.
func encodeSubscribe(a *arguments, v codec.Version, id codec.PacketID) []byte {
	s := codec.Subscribe{PacketID: id}
	if n, ok := a.number("subscription-id"); ok {
		s.SubscriptionID = codec.SubscriptionID(n)
	}
	words := a.words
	a.words = nil
	for len(words) > 0 {
		filter, ok := strings.CutPrefix(words[0], "filter=")
		if !ok {
			a.t.Fatalf("want filter=..., not %q", words[0])
		}
		end := 1 + slices.IndexFunc(words[1:], func(w string) bool { return strings.HasPrefix(w, "filter=") })
		if end == 0 {
			end = len(words)
		}
		o := &arguments{a.t, slices.Clone(words[1:end])}
		sub := codec.Subscription{
			TopicFilter: []byte(filter), QoS: o.qos("q"),
			NoLocal: o.flag("no-local"), RetainAsPublished: o.flag("retain-as-published"),
		}
		handling, _ := o.number("retain-handling")
		sub.RetainHandling = byte(handling)
		o.done()
		s.Subscriptions = append(s.Subscriptions, sub)
		words = words[end:]
	}
	return codec.AppendSubscribe(nil, v, &s)
}

// describePacket writes the first packet of b, sent by the Server, in the same
// notation. The size is 0 if it is incomplete.
func describePacket(v codec.Version, b []byte) (text string, size int) {
	f, size, err := codec.ReadFrame(b, 0)
	if size == 0 || size > len(b) {
		return "", 0
	}
	if err == nil {
		text, err = describeFrame(v, f)
	}
	if err != nil {
		return fmt.Sprintf("RAW % x (%v)", b[:size], err), size
	}
	return text, size
}

func describeFrame(v codec.Version, f codec.Frame) (string, error) {
	w := &writer{}
	w.add(f.Type.String())
	var err error
	switch f.Type {
	case codec.TypeConnack:
		var p codec.Connack
		if err = codec.DecodeConnack(&p, v, f.Body); err == nil {
			w.connack(&p, v)
		}
	case codec.TypePublish:
		var p codec.Publish
		if err = codec.DecodePublishFromServer(&p, v, f.Flags, f.Body); err == nil {
			err = w.publish(&p)
		}
	case codec.TypePuback, codec.TypePubrec, codec.TypePubrel, codec.TypePubcomp:
		var p codec.Ack
		if err = codec.DecodeAck(&p, v, f.Type, f.Body); err == nil {
			w.pair("id", p.PacketID)
			w.code(p.ReasonCode, true)
			w.why(p.ReasonString, p.UserProperties)
		}
	case codec.TypeSuback, codec.TypeUnsuback:
		decode := codec.DecodeSuback
		if f.Type == codec.TypeUnsuback {
			decode = codec.DecodeUnsuback
		}
		var p codec.Suback
		if err = decode(&p, v, f.Body); err == nil {
			w.pair("id", p.PacketID)
			for _, code := range p.ReasonCodes {
				w.code(code, false)
			}
			w.why(p.ReasonString, p.UserProperties)
		}
	case codec.TypePingresp:
		err = codec.DecodePing(f.Body)
	case codec.TypeAuth:
		var p codec.Auth
		if err = codec.DecodeAuthFromServer(&p, v, f.Body); err == nil {
			w.code(p.ReasonCode, false)
			w.pair("method", string(p.Properties.AuthenticationMethod))
		}
	case codec.TypeDisconnect:
		var p codec.Disconnect
		if err = codec.DecodeDisconnectFromServer(&p, f.Body); err == nil {
			w.code(p.ReasonCode, false)
			w.why(p.Properties.ReasonString, p.Properties.UserProperties)
		}
	default:
		err = fmt.Errorf("%v comes from a Client only", f.Type)
	}
	return w.String(), err
}

// writer gathers the words of a packet.
type writer struct{ strings.Builder }

func (w *writer) add(word string) {
	if w.Len() > 0 {
		w.WriteByte(' ')
	}
	w.WriteString(word)
}

func (w *writer) pair(name string, value any) { w.add(fmt.Sprintf("%s=%v", name, value)) }

// bytes writes what may hold anything: long runs of one byte for short.
func (w *writer) bytes(name string, value []byte) {
	text := string(value)
	switch {
	case len(text) > 16 && strings.Count(text, text[:1]) == len(text):
		text = fmt.Sprintf("%s*%d", text[:1], len(text))
	case strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r >= 0x7F || r == '"' || r == '*' }):
		text = strconv.Quote(text)
	}
	w.pair(name, text)
}

// code writes a Reason Code with its value, as it stands in logs.
func (w *writer) code(c codec.ReasonCode, leaveOutSuccess bool) {
	switch {
	case c == codec.Success && leaveOutSuccess:
	case c.IsError():
		w.add(fmt.Sprintf("rc=0x%02X (%v)", byte(c), c))
	default:
		w.add(fmt.Sprintf("rc=0x%02X", byte(c)))
	}
}

func (w *writer) connack(p *codec.Connack, v codec.Version) {
	w.code(p.ReasonCode, false)
	if p.SessionPresent {
		w.add("present")
	}
	props := &p.Properties
	if v == codec.V5 && p.ReasonCode == codec.Success {
		w.limit("receive-maximum", props.Has(codec.PropReceiveMaximum), int(props.ReceiveMaximum), 100)
		w.limit("maximum-packet-size", props.Has(codec.PropMaximumPacketSize), int(props.MaximumPacketSize), 16<<20)
		w.limit("topic-alias-maximum", props.Has(codec.PropTopicAliasMaximum), int(props.TopicAliasMaximum), 32)
	}
	for _, n := range []struct {
		id    codec.PropertyID
		name  string
		value any
	}{
		{codec.PropSessionExpiryInterval, "expiry", props.SessionExpiryInterval},
		{codec.PropServerKeepAlive, "keep-alive", props.ServerKeepAlive},
		{codec.PropAuthenticationMethod, "method", string(props.AuthenticationMethod)},
		{codec.PropReasonString, "reason", string(props.ReasonString)},
		{codec.PropResponseInformation, "response-information", string(props.ResponseInformation)},
		{codec.PropMaximumQoS, "maximum-qos", props.MaximumQoS},
		{codec.PropRetainAvailable, "retain-available", props.RetainAvailable},
	} {
		if props.Has(n.id) {
			w.pair(n.name, n.value)
		}
	}
	if props.Has(codec.PropAssignedClientIdentifier) {
		id := string(props.AssignedClientIdentifier)
		if strings.HasPrefix(id, "weir-") && len(id) == len(newClientID()) {
			id = "weir-*" // the rest is random
		}
		w.pair("assigned-client", id)
	}
	for name, value := range props.UserProperties.All {
		w.pair("user-property", string(name)+":"+string(value))
	}
}

// why writes the properties that an answer may have.
func (w *writer) why(reason []byte, user codec.UserProperties) {
	if reason != nil {
		w.bytes("reason", reason)
	}
	for name, value := range user.All {
		w.pair("user-property", string(name)+":"+string(value))
	}
}

// limit writes a property that every CONNACK with Success has, unless it has
// the value that goes with the default of Limits.
func (w *writer) limit(name string, present bool, value, usual int) {
	switch {
	case !present:
		w.add("no-" + name)
	case value != usual:
		w.pair(name, value)
	}
}

func (w *writer) publish(p *codec.Publish) error {
	w.add(fmt.Sprintf("q%d", p.QoS))
	if p.Dup {
		w.add("dup")
	}
	if p.Retain {
		w.add("retain")
	}
	if p.QoS > codec.QoS0 {
		w.pair("id", p.PacketID)
	}
	w.bytes("topic", p.TopicName)
	if p.TopicAlias != 0 {
		w.pair("alias", p.TopicAlias)
	}
	if p.HasMessageExpiryInterval {
		w.pair("expiry", p.MessageExpiryInterval)
	}
	slices.Sort(p.SubscriptionIDs) // their order means nothing
	for _, id := range p.SubscriptionIDs {
		w.pair("subscription-id", id)
	}
	var props codec.Properties
	if err := codec.DecodeProperties(&props, codec.TypePublish, p.Raw); err != nil {
		return err
	}
	if props.Has(codec.PropPayloadFormatIndicator) {
		w.pair("format", props.PayloadFormatIndicator)
	}
	if props.Has(codec.PropContentType) {
		w.bytes("content", props.ContentType)
	}
	if props.Has(codec.PropResponseTopic) {
		w.bytes("response", props.ResponseTopic)
	}
	if props.Has(codec.PropCorrelationData) {
		w.bytes("correlation", props.CorrelationData)
	}
	for name, value := range props.UserProperties.All {
		w.pair("user-property", string(name)+":"+string(value))
	}
	w.bytes("payload", p.Payload)
	return nil
}
