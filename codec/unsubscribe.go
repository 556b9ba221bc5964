package codec

// Unsubscribe is an UNSUBSCRIBE packet.
type Unsubscribe struct {
	PacketID       PacketID
	TopicFilters   [][]byte
	UserProperties UserProperties // not encoded before MQTT 5.0
}

// DecodeUnsubscribe decodes the body of an UNSUBSCRIBE packet. u borrows body;
// u.TopicFilters keeps its array, which can grow to eight times the size of the
// largest body decoded. Topic Filters are checked as in DecodeSubscribe.
func DecodeUnsubscribe(u *Unsubscribe, v Version, body []byte) error {
	*u = Unsubscribe{TopicFilters: u.TopicFilters[:0]}
	r := reader{buf: body}
	u.PacketID = r.packetID()
	if v == V5 && r.err == nil {
		// UNSUBSCRIBE has no Reason String, so this yields User Properties only.
		_, u.UserProperties, r.err = r.reasonProperties(TypeUnsubscribe)
	}
	if r.err != nil {
		return r.err
	}
	if len(r.buf) == 0 {
		return errUnsubscribeEmpty // [MQTT-3.10.3-2]
	}
	for len(r.buf) > 0 {
		u.TopicFilters = append(u.TopicFilters, r.topicFilter()) // [MQTT-3.10.3-1]
	}
	return r.err
}

// AppendUnsubscribe appends u as an UNSUBSCRIBE packet, as a Client does.
func AppendUnsubscribe(dst []byte, v Version, u *Unsubscribe) []byte {
	dst, mark := beginPacket(dst, TypeUnsubscribe, 0b0010)
	dst = appendPacketID(dst, u.PacketID)
	if v == V5 {
		dst = appendReasonProperties(dst, "", u.UserProperties)
	}
	for _, filter := range u.TopicFilters {
		dst = appendString(dst, filter)
	}
	return endPacket(dst, mark)
}
