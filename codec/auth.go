package codec

// Auth is an AUTH packet. Do not log it: Authentication Data can be a secret.
type Auth struct {
	ReasonCode ReasonCode
	Properties Properties
}

// DecodeAuth decodes the body of an AUTH packet sent by a Client. a borrows
// body. AUTH does not exist before MQTT 5.0, so v other than V5 is an error.
func DecodeAuth(a *Auth, v Version, body []byte) error {
	return a.decode(v, TypeAuth, body)
}

// DecodeAuthFromServer is DecodeAuth for one sent by a Server, as a Client does.
func DecodeAuthFromServer(a *Auth, v Version, body []byte) error {
	return a.decode(v, typeAuthFromServer, body)
}

func (a *Auth) decode(v Version, direction PacketType, body []byte) error {
	a.ReasonCode = Success
	a.Properties.Reset()
	if v != V5 {
		return errAuthVersion
	}
	r := reader{buf: body}
	if len(body) > 0 {
		a.ReasonCode = ReasonCode(r.byte())
	}
	if !a.ReasonCode.allowedIn(direction) {
		return errAuthReasonCode // [MQTT-3.15.2-1]
	}
	// An empty body is Success without properties. The standard allows it in so
	// many words, though it also makes the Authentication Method mandatory.
	if len(body) == 0 {
		return nil
	}
	raw := r.properties()
	if r.err != nil {
		return r.err
	}
	if err := DecodeProperties(&a.Properties, TypeAuth, raw); err != nil {
		return err
	}
	if !a.Properties.Has(PropAuthenticationMethod) {
		return errAuthNoMethod
	}
	return r.end()
}

// AppendAuth appends a as an AUTH packet.
func AppendAuth(dst []byte, a *Auth) []byte {
	return appendCodeAndProperties(dst, TypeAuth, a.ReasonCode, &a.Properties)
}
