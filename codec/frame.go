package codec

// Frame is one Control Packet, cut from the stream but not decoded.
type Frame struct {
	Type  PacketType
	Flags byte   // low nibble of the first byte
	Body  []byte // Variable Header and Payload; borrowed from the buffer given to ReadFrame
}

// firstBytes holds the valid first bytes of a packet: of all types but PUBLISH
// the flags are reserved, and all zero except in three [MQTT-2.1.3-1].
var firstBytes = func() (valid [256]bool) {
	for t := TypeConnect; t <= TypeAuth; t++ {
		switch t {
		case TypePublish:
			for flags := range byte(16) {
				valid[byte(t)<<4|flags] = true
			}
		case TypePubrel, TypeSubscribe, TypeUnsubscribe:
			valid[byte(t)<<4|0b0010] = true
		default:
			valid[byte(t)<<4] = true
		}
	}
	return valid
}()

// ReadFrame looks at the packet that starts at buf[0].
//
// size is the length of the whole packet in bytes once the fixed header is
// complete, and 0 while it is not. f is complete, with its Body borrowed from
// buf, only when 0 < size <= len(buf); f.Type and f.Flags are set as soon as
// size is. Nothing is consumed: the caller advances by size.
//
// It fails as soon as the fixed header shows that the packet is not acceptable,
// without waiting for the body: for a reserved packet type or flags
// [MQTT-2.1.3-1], a Remaining Length of more than four bytes, and with
// PacketTooLarge for a packet of more than maximumPacketSize bytes
// [MQTT-3.2.2-15]. A maximumPacketSize of 0 sets no bound but MQTT's own, and
// leaves it to the caller to bound what it buffers.
func ReadFrame(buf []byte, maximumPacketSize uint32) (f Frame, size int, err error) {
	if len(buf) == 0 {
		return f, 0, nil
	}
	if !firstBytes[buf[0]] {
		return f, 0, fixedHeaderError(buf[0])
	}
	if len(buf) < 2 {
		return f, 0, nil
	}

	// A Remaining Length that is longer than it need be is taken as it is: MQTT
	// 3.1.1 allows it, devices that reserve the bytes before they know the
	// length send it, and here the version is not known.
	remaining, header := int(buf[1]), 2
	if remaining >= 0x80 {
		n := 0
		if remaining, n, err = readVariableByteInteger(buf[1:]); n == 0 {
			if err != nil {
				err = errRemainingLength
			}
			return f, 0, err
		}
		header = 1 + n
	}

	f.Type, f.Flags = PacketType(buf[0]>>4), buf[0]&0x0F
	size = header + remaining
	if maximumPacketSize != 0 && size > int(maximumPacketSize) {
		return f, size, errPacketTooLarge
	}
	if len(buf) >= size {
		f.Body = buf[header:size:size]
	}
	return f, size, nil
}

// fixedHeaderError says which rule a first byte breaks that firstBytes rejects.
func fixedHeaderError(first byte) error {
	switch PacketType(first >> 4) {
	case 0:
		return errPacketTypeReserved
	case TypePubrel:
		return errPubrelFlags
	case TypeSubscribe:
		return errSubscribeFlags
	case TypeUnsubscribe:
		return errUnsubscribeFlags
	case TypeDisconnect:
		return errDisconnectFlags
	case TypeAuth:
		return errAuthFlags
	}
	return errFixedHeaderFlags
}

// appendFixedHeader appends a packet's first byte and Remaining Length.
func appendFixedHeader(dst []byte, t PacketType, flags byte, remaining int) []byte {
	return appendVariableByteInteger(append(dst, byte(t)<<4|flags), remaining)
}
