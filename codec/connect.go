package codec

// Connect is a CONNECT packet. Do not log it: it holds the Password.
type Connect struct {
	Version    Version
	ClientID   []byte // may be empty; whether that is acceptable is not decided here
	CleanStart bool   // Clean Session before MQTT 5.0
	KeepAlive  uint16 // seconds; 0: no limit

	HasUserName bool
	HasPassword bool
	UserName    []byte
	Password    []byte

	HasWill bool
	Will    Will

	Properties Properties
}

// Will is the Will Message of a CONNECT packet with its properties.
type Will struct {
	QoS        QoS
	Retain     bool
	TopicName  []byte
	Payload    []byte
	Properties Properties

	// What Properties and Raw say of these is repeated here by decoding,
	// because every Server needs it. AppendConnect looks at Properties alone.

	DelayInterval            uint32 // seconds
	HasMessageExpiryInterval bool
	MessageExpiryInterval    uint32 // seconds

	// Raw holds the Will Properties as received, without the Property Length.
	Raw []byte

	rawHasHopProperties bool
}

// ForwardProperties returns the encoded properties of the Will Message that a
// Server publishes with it, for use as [Publish.Forward]. If that is all of Raw
// it returns Raw itself, which is borrowed from the packet; otherwise it
// gathers them in scratch, which it overwrites from its start and may outgrow.
func (w *Will) ForwardProperties(scratch []byte) []byte {
	if !w.rawHasHopProperties {
		return w.Raw
	}
	return gatherForwardProperties(scratch, w.Raw)
}

// The Connect Flags (section 3.1.2.3).
const (
	connectReserved   = 0x01
	connectCleanStart = 0x02
	connectWill       = 0x04
	connectWillQoS    = 0x18 // two bits
	connectWillRetain = 0x20
	connectPassword   = 0x40
	connectUserName   = 0x80

	connectWillQoSShift = 3
)

// bridgeLevel is a bit that some bridges add to the Protocol Version. It is in
// no standard and not supported; they connect again without it.
const bridgeLevel = 0x80

// DecodeConnect decodes the body of a CONNECT packet. c borrows body.
//
// On error c.Version alone is of use. It says in which shape to answer if the
// Server answers at all: V5, V311 or V31, also when the error's Code is
// UnsupportedProtocolVersion (V5 for versions above 5), or 0 if the packet did
// not come as far as to show that it is MQTT. Then there is nothing to answer.
func DecodeConnect(c *Connect, body []byte) error {
	*c = Connect{}
	r := reader{buf: body}
	name := r.binary()
	level := r.byte()
	if r.err != nil {
		return r.err
	}
	if err := c.decodeVersion(name, level); err != nil {
		return err
	}

	flags := r.byte()
	c.KeepAlive = r.uint16()
	if r.err != nil {
		return r.err
	}
	if err := checkConnectFlags(flags, c.Version); err != nil {
		return err
	}
	c.CleanStart = flags&connectCleanStart != 0
	if c.Version == V5 {
		raw := r.properties()
		if r.err != nil {
			return r.err
		}
		if err := DecodeProperties(&c.Properties, TypeConnect, raw); err != nil {
			return err
		}
	}

	c.ClientID = r.string() // [MQTT-3.1.3-3] [MQTT-3.1.3-4]
	if flags&connectWill != 0 {
		c.HasWill = true
		c.Will.QoS = QoS(flags & connectWillQoS >> connectWillQoSShift)
		c.Will.Retain = flags&connectWillRetain != 0
		if err := c.Will.decode(&r, c.Version); err != nil {
			return err
		}
	}
	// In MQTT 3.1 the end of the packet counts for more than the flags: it has a
	// Server ignore a User Name Flag or Password Flag when nothing follows.
	if c.Version == V31 && len(r.buf) == 0 {
		flags &^= connectUserName | connectPassword
	}
	if flags&connectUserName != 0 {
		c.HasUserName = true
		c.UserName = r.string() // [MQTT-3.1.2-17] [MQTT-3.1.3-12]
	}
	if c.Version == V31 && len(r.buf) == 0 {
		flags &^= connectPassword
	}
	if flags&connectPassword != 0 {
		c.HasPassword = true
		c.Password = r.binary() // [MQTT-3.1.2-19]
	}
	return r.end() // [MQTT-3.1.2-16] [MQTT-3.1.2-18]
}

// decodeVersion sets c.Version from the Protocol Name and Protocol Version.
func (c *Connect) decodeVersion(name []byte, level byte) error {
	switch {
	case string(name) == "MQTT" && (level == byte(V5) || level == byte(V311)):
		c.Version = Version(level)
		return nil
	case string(name) == "MQIsdp" && level == byte(V31):
		c.Version = V31
		return nil
	case string(name) == "MQTT":
		c.Version = V311
		if level&^bridgeLevel >= byte(V5) {
			c.Version = V5
		}
		return errProtocolVersion // [MQTT-3.1.2-2]
	case string(name) == "MQIsdp":
		c.Version = V31
		return errProtocolVersion
	}
	return errProtocolName // [MQTT-3.1.2-1]
}

func checkConnectFlags(flags byte, v Version) error {
	if flags&connectReserved != 0 {
		return errConnectReserved // [MQTT-3.1.2-3]
	}
	if flags&connectWill == 0 {
		if flags&connectWillQoS != 0 {
			return errWillQoSNoWill // [MQTT-3.1.2-11]
		}
		if flags&connectWillRetain != 0 {
			return errWillRetainNoWill // [MQTT-3.1.2-13]
		}
	}
	if flags&connectWillQoS == connectWillQoS {
		return errWillQoS3 // [MQTT-3.1.2-12]
	}
	if v != V5 && flags&connectPassword != 0 && flags&connectUserName == 0 {
		return errPasswordNoUser // [MQTT311-3.1.2-22]
	}
	return nil
}

// decode reads the fields of the Will from the Payload [MQTT-3.1.2-9].
func (w *Will) decode(r *reader, v Version) error {
	if v == V5 {
		w.Raw = r.properties()
		if r.err != nil {
			return r.err
		}
		p := &w.Properties
		if err := DecodeProperties(p, TypeWill, w.Raw); err != nil {
			return err
		}
		w.DelayInterval = p.WillDelayInterval
		w.HasMessageExpiryInterval = p.Has(PropMessageExpiryInterval)
		w.MessageExpiryInterval = p.MessageExpiryInterval
		w.rawHasHopProperties = p.present&hopProperties != 0
	}
	w.TopicName = r.topicName() // [MQTT-3.1.3-11]
	w.Payload = r.binary()
	return r.err
}

// AppendConnect appends c as a CONNECT packet of c.Version, with
// c.Will.Properties as the Will Properties.
func AppendConnect(dst []byte, c *Connect) []byte {
	dst, mark := beginPacket(dst, TypeConnect, 0)
	name := "MQTT"
	if c.Version == V31 {
		name = "MQIsdp"
	}
	dst = append(appendString(dst, name), byte(c.Version), c.flags(), byte(c.KeepAlive>>8), byte(c.KeepAlive))
	if c.Version == V5 {
		dst = appendPropertyList(dst, &c.Properties)
	}
	dst = appendString(dst, c.ClientID)
	if c.HasWill {
		if c.Version == V5 {
			dst = appendPropertyList(dst, &c.Will.Properties)
		}
		dst = appendString(dst, c.Will.TopicName)
		dst = appendString(dst, c.Will.Payload)
	}
	if c.HasUserName {
		dst = appendString(dst, c.UserName)
	}
	if c.HasPassword {
		dst = appendString(dst, c.Password)
	}
	return endPacket(dst, mark)
}

func (c *Connect) flags() (flags byte) {
	if c.CleanStart {
		flags |= connectCleanStart
	}
	if c.HasWill {
		flags |= connectWill | byte(c.Will.QoS)<<connectWillQoSShift
		if c.Will.Retain {
			flags |= connectWillRetain
		}
	}
	if c.HasUserName {
		flags |= connectUserName
	}
	if c.HasPassword {
		flags |= connectPassword
	}
	return flags
}
