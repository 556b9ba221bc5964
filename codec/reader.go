package codec

import "encoding/binary"

// reader takes fields from the front of buf. It fails once and stays failed,
// returning zero values, so that a decoder checks err after a run of fields
// rather than after each.
type reader struct {
	buf []byte
	err error
}

// fail records the first error and drops what is left to read.
func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.buf = nil
}

func (r *reader) byte() byte {
	if len(r.buf) < 1 {
		r.fail(errTruncated)
		return 0
	}
	b := r.buf[0]
	r.buf = r.buf[1:]
	return b
}

func (r *reader) uint16() uint16 {
	if len(r.buf) < 2 {
		r.fail(errTruncated)
		return 0
	}
	n := binary.BigEndian.Uint16(r.buf)
	r.buf = r.buf[2:]
	return n
}

func (r *reader) uint32() uint32 {
	if len(r.buf) < 4 {
		r.fail(errTruncated)
		return 0
	}
	n := binary.BigEndian.Uint32(r.buf)
	r.buf = r.buf[4:]
	return n
}

// packetID reads a Packet Identifier, which is not 0 [MQTT-2.2.1-3].
func (r *reader) packetID() PacketID {
	id := PacketID(r.uint16())
	if id == 0 {
		r.fail(errPacketIDZero)
	}
	return id
}

// binary reads Binary Data (section 1.5.6). It is never nil unless r failed, so
// that data of zero bytes differs from none.
func (r *reader) binary() []byte {
	n := int(r.uint16())
	if r.err != nil || len(r.buf) < n {
		r.fail(errTruncated)
		return nil
	}
	b := r.buf[:n:n]
	r.buf = r.buf[n:]
	return b
}

// string reads a UTF-8 Encoded String (section 1.5.4).
func (r *reader) string() []byte {
	s := r.binary()
	if err := checkString(s); err != nil {
		r.fail(err)
	}
	return s
}

// topicName reads a Topic Name that may not be empty [MQTT-4.7.3-1].
func (r *reader) topicName() []byte {
	s := r.binary()
	if err := checkTopicName(s, errTopicNameWildcard); err != nil {
		r.fail(err)
	}
	if len(s) == 0 {
		r.fail(errTopicNameEmpty)
	}
	return s
}

// topicFilter reads a Topic Filter as far as this package checks it: text, and
// not empty [MQTT-4.7.3-1].
func (r *reader) topicFilter() []byte {
	s := r.string()
	if len(s) == 0 {
		r.fail(errTopicFilterEmpty)
	}
	return s
}

// variableByteInteger reads a Variable Byte Integer, which must be as short as
// it can be [MQTT-1.5.5-1].
func (r *reader) variableByteInteger() int {
	value, n, err := readVariableByteInteger(r.buf)
	switch {
	case err != nil:
		r.fail(err)
		return 0
	case n == 0:
		r.fail(errTruncated)
		return 0
	case n != variableByteIntegerSize(value):
		r.fail(errVariableByteMinimum)
		return 0
	}
	r.buf = r.buf[n:]
	return value
}

// properties reads a Property Length and as many bytes.
func (r *reader) properties() []byte {
	n := r.variableByteInteger()
	if len(r.buf) < n {
		r.fail(errPropertyLengthTruncated)
		return nil
	}
	raw := r.buf[:n:n]
	r.buf = r.buf[n:]
	return raw
}

// end returns the error of the reads, or one if bytes are left over.
func (r *reader) end() error {
	if r.err == nil && len(r.buf) > 0 {
		return errTrailingBytes
	}
	return r.err
}
