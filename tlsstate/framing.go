package tlsstate

// framing follows the records in a stream of ciphertext by their headers,
// without reading further into them. crypto/tls follows them by itself; this
// is for knowing where it must stand, which it does not tell.
//
// Invariant: headerSeen < recordHeaderBytes, and body > 0 only if headerSeen
// is 0 and the record's header is complete.
type framing struct {
	headerSeen uint8  // bytes seen of a header that is cut
	lengthHigh uint8  // the header's first length byte
	body       uint16 // bytes still to come of the record's body
	record     uint16 // body length of the record that body belongs to
}

// next returns how many bytes are missing to the next boundary: the end of the
// header, or of the record.
func (f *framing) next() int {
	if f.body > 0 {
		return int(f.body)
	}
	return recordHeaderBytes - int(f.headerSeen)
}

// partial returns how many bytes have passed of the record that is cut.
func (f *framing) partial() int {
	if f.body > 0 {
		return recordHeaderBytes + int(f.record-f.body)
	}
	return int(f.headerSeen)
}

// advance takes note of b passing by, and returns how many records it completed.
func (f *framing) advance(b []byte) (completed int) {
	for len(b) > 0 {
		if f.body > 0 {
			n := min(len(b), int(f.body))
			f.body -= uint16(n)
			b = b[n:]
			if f.body == 0 {
				completed++
			}
			continue
		}
		switch f.headerSeen {
		case recordHeaderBytes - 2:
			f.lengthHigh = b[0]
			f.headerSeen++
		case recordHeaderBytes - 1:
			f.record = uint16(f.lengthHigh)<<8 | uint16(b[0])
			f.body = f.record
			f.headerSeen = 0
			if f.body == 0 {
				completed++
			}
		default:
			f.headerSeen++
		}
		b = b[1:]
	}
	return completed
}
