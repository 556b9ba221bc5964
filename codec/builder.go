package codec

// Packets other than PUBLISH and the short ones are rare enough that knowing
// their length beforehand is not worth a second function that must agree with
// the first. They are written after a gap for the longest length there can be,
// and moved down when the length is known.

// lengthGap is the most bytes that a Remaining Length or Property Length takes.
const lengthGap = 4

// beginPacket appends a packet's first byte and a gap for the Remaining Length.
// The mark is for endPacket.
func beginPacket(dst []byte, t PacketType, flags byte) (packet []byte, mark int) {
	return beginLength(append(dst, byte(t)<<4|flags))
}

// endPacket fills the gap of beginPacket with the length of what follows it.
func endPacket(dst []byte, mark int) []byte { return endLength(dst, mark) }

func beginLength(dst []byte) ([]byte, int) {
	return append(dst, make([]byte, lengthGap)...), len(dst)
}

func endLength(dst []byte, mark int) []byte {
	body := dst[mark+lengthGap:]
	written := appendVariableByteInteger(dst[:mark], len(body))
	return append(written, body...)
}

// appendPropertyList appends a Property Length and the properties.
func appendPropertyList(dst []byte, p *Properties) []byte {
	dst, mark := beginLength(dst)
	return endLength(AppendProperties(dst, p), mark)
}

// appendReasonProperties is appendPropertyList for a list of a Reason String,
// which an empty reason leaves out, and User Properties.
func appendReasonProperties(dst []byte, reason string, user UserProperties) []byte {
	dst, mark := beginLength(dst)
	if reason != "" {
		dst = appendStringProperty(dst, PropReasonString, reason)
	}
	return endLength(user.appendTo(dst), mark)
}

// appendPacketID appends a Packet Identifier.
func appendPacketID(dst []byte, id PacketID) []byte { return append(dst, byte(id>>8), byte(id)) }
