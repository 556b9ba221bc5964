package codec

// UserProperties is an encoded list of properties seen as its User Properties;
// properties of other kinds in it are passed over. Decoding borrows it from the
// packet. To build one, start from nil and call [UserProperties.Append].
type UserProperties []byte

// All calls yield for each User Property in order [MQTT-3.3.2-18] until yield
// returns false; use it as an iterator: for name, value := range u.All. name
// and value are borrowed from u.
func (u UserProperties) All(yield func(name, value []byte) bool) {
	for rest := []byte(u); len(rest) > 0; {
		var id PropertyID
		var encoded []byte
		id, encoded, rest = cutProperty(rest)
		if id != PropUserProperty {
			continue
		}
		r := reader{buf: encoded[1:]}
		if !yield(r.binary(), r.binary()) {
			return
		}
	}
}

// Len returns the number of User Properties.
func (u UserProperties) Len() (n int) {
	for range u.All {
		n++
	}
	return n
}

// Append returns u with one more User Property at its end. name and value are
// copied; each must be UTF-8 without U+0000, and at most 65,535 bytes.
func (u UserProperties) Append(name, value string) UserProperties {
	return appendString(appendString(append(u, byte(PropUserProperty)), name), value)
}

// appendTo appends the User Properties, encoded, and nothing else of u.
func (u UserProperties) appendTo(dst []byte) []byte {
	for rest := []byte(u); len(rest) > 0; {
		var id PropertyID
		var encoded []byte
		if id, encoded, rest = cutProperty(rest); id == PropUserProperty {
			dst = append(dst, encoded...)
		}
	}
	return dst
}
