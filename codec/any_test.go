package codec

import (
	"fmt"
	"strings"
)

// decodeAny decodes a frame of any type sent by either side.
func decodeAny(v Version, fromServer bool, f Frame) (any, error) {
	switch f.Type {
	case TypeConnect:
		p := new(Connect)
		return p, DecodeConnect(p, f.Body)
	case TypeConnack:
		p := new(Connack)
		return p, DecodeConnack(p, v, f.Body)
	case TypePublish:
		p := new(Publish)
		if fromServer {
			return p, DecodePublishFromServer(p, v, f.Flags, f.Body)
		}
		return p, DecodePublish(p, v, f.Flags, f.Body)
	case TypePuback, TypePubrec, TypePubrel, TypePubcomp:
		p := new(Ack)
		return p, DecodeAck(p, v, f.Type, f.Body)
	case TypeSubscribe:
		p := new(Subscribe)
		return p, DecodeSubscribe(p, v, f.Body)
	case TypeSuback:
		p := new(Suback)
		return p, DecodeSuback(p, v, f.Body)
	case TypeUnsubscribe:
		p := new(Unsubscribe)
		return p, DecodeUnsubscribe(p, v, f.Body)
	case TypeUnsuback:
		p := new(Suback)
		return p, DecodeUnsuback(p, v, f.Body)
	case TypePingreq, TypePingresp:
		return nil, DecodePing(f.Body)
	case TypeDisconnect:
		p := new(Disconnect)
		if fromServer && v == V5 {
			return p, DecodeDisconnectFromServer(p, f.Body)
		}
		return p, DecodeDisconnect(p, v, f.Body)
	case TypeAuth:
		p := new(Auth)
		if fromServer {
			return p, DecodeAuthFromServer(p, v, f.Body)
		}
		return p, DecodeAuth(p, v, f.Body)
	}
	panic("unknown packet type")
}

// appendAny encodes what decodeAny decoded, with nothing but the fields that
// the Append functions document.
func appendAny(dst []byte, v Version, t PacketType, packet any) []byte {
	switch p := packet.(type) {
	case nil:
		if t == TypePingreq {
			return AppendPingreq(dst)
		}
		return AppendPingresp(dst)
	case *Connect:
		return AppendConnect(dst, p)
	case *Connack:
		return AppendConnack(dst, v, p)
	case *Publish:
		q := *p
		q.Forward = p.ForwardProperties(nil)
		return AppendPublish(dst, v, &q)
	case *Ack:
		if len(p.UserProperties) > 0 { // which a Server never sends, so there is no function for it
			dst, mark := beginPacket(dst, t, ackFlags(t))
			dst = append(appendPacketID(dst, p.PacketID), byte(p.ReasonCode))
			return endPacket(appendReasonProperties(dst, string(p.ReasonString), p.UserProperties), mark)
		}
		return AppendAckReason(dst, v, t, p.PacketID, p.ReasonCode, string(p.ReasonString))
	case *Subscribe:
		return AppendSubscribe(dst, v, p)
	case *Suback:
		if len(p.UserProperties) > 0 || t == TypeUnsuback && len(p.ReasonString) > 0 {
			dst, mark := beginPacket(dst, t, 0)
			dst = appendReasonProperties(appendPacketID(dst, p.PacketID), string(p.ReasonString), p.UserProperties)
			for _, code := range p.ReasonCodes {
				dst = append(dst, byte(code))
			}
			return endPacket(dst, mark)
		}
		if t == TypeSuback {
			return AppendSuback(dst, v, p.PacketID, p.ReasonCodes, string(p.ReasonString))
		}
		return AppendUnsuback(dst, v, p.PacketID, p.ReasonCodes)
	case *Unsubscribe:
		return AppendUnsubscribe(dst, v, p)
	case *Disconnect:
		return AppendDisconnect(dst, p)
	case *Auth:
		return AppendAuth(dst, p)
	}
	panic("unknown packet")
}

// dumper writes "Field=value" for each field that is not zero.
type dumper struct{ strings.Builder }

func (d *dumper) bytes(name string, b []byte) {
	if len(b) > 0 {
		fmt.Fprintf(d, " %s=%q", name, b)
	}
}

func (d *dumper) number(name string, n int) {
	if n != 0 {
		fmt.Fprintf(d, " %s=%d", name, n)
	}
}

func (d *dumper) flag(name string, set bool) {
	if set {
		d.WriteString(" " + name)
	}
}

func (d *dumper) user(u UserProperties) {
	for name, value := range u.All {
		fmt.Fprintf(d, " User[%q]=%q", name, value)
	}
}

// value writes a property that is present, also if its value is zero.
func (d *dumper) value(p *Properties, id PropertyID, v any) {
	if p.Has(id) {
		format := " %s=%v"
		if _, ok := v.([]byte); ok {
			format = " %s=%q"
		}
		fmt.Fprintf(d, format, strings.NewReplacer(" ", "", "-", "").Replace(id.String()), v)
	}
}

func (d *dumper) properties(p *Properties) {
	d.value(p, PropPayloadFormatIndicator, p.PayloadFormatIndicator)
	d.value(p, PropMessageExpiryInterval, p.MessageExpiryInterval)
	d.value(p, PropContentType, p.ContentType)
	d.value(p, PropResponseTopic, p.ResponseTopic)
	d.value(p, PropCorrelationData, p.CorrelationData)
	d.value(p, PropSubscriptionIdentifier, p.SubscriptionIDs)
	d.value(p, PropSessionExpiryInterval, p.SessionExpiryInterval)
	d.value(p, PropAssignedClientIdentifier, p.AssignedClientIdentifier)
	d.value(p, PropServerKeepAlive, p.ServerKeepAlive)
	d.value(p, PropAuthenticationMethod, p.AuthenticationMethod)
	d.value(p, PropAuthenticationData, p.AuthenticationData)
	d.value(p, PropRequestProblemInformation, p.RequestProblemInformation)
	d.value(p, PropWillDelayInterval, p.WillDelayInterval)
	d.value(p, PropRequestResponseInformation, p.RequestResponseInformation)
	d.value(p, PropResponseInformation, p.ResponseInformation)
	d.value(p, PropServerReference, p.ServerReference)
	d.value(p, PropReasonString, p.ReasonString)
	d.value(p, PropReceiveMaximum, p.ReceiveMaximum)
	d.value(p, PropTopicAliasMaximum, p.TopicAliasMaximum)
	d.value(p, PropTopicAlias, p.TopicAlias)
	d.value(p, PropMaximumQoS, p.MaximumQoS)
	d.value(p, PropRetainAvailable, p.RetainAvailable)
	d.value(p, PropMaximumPacketSize, p.MaximumPacketSize)
	d.value(p, PropWildcardSubscriptionAvailable, p.WildcardSubscriptionAvailable)
	d.value(p, PropSubscriptionIdentifierAvailable, p.SubscriptionIdentifierAvailable)
	d.value(p, PropSharedSubscriptionAvailable, p.SharedSubscriptionAvailable)
	d.user(p.UserProperties)
}

// dump writes all that was decoded, in an order that does not depend on the
// order on the wire.
func dump(t PacketType, packet any) string {
	d := new(dumper)
	d.WriteString(t.String())
	switch p := packet.(type) {
	case *Connect:
		fmt.Fprintf(d, " Version=%s ClientID=%q", p.Version, p.ClientID)
		d.flag("CleanStart", p.CleanStart)
		d.number("KeepAlive", int(p.KeepAlive))
		if p.HasUserName {
			fmt.Fprintf(d, " UserName=%q", p.UserName)
		}
		if p.HasPassword {
			fmt.Fprintf(d, " Password=%q", p.Password)
		}
		d.properties(&p.Properties)
		if p.HasWill {
			fmt.Fprintf(d, " Will: QoS=%d TopicName=%q Payload=%q", p.Will.QoS, p.Will.TopicName, p.Will.Payload)
			d.flag("Retain", p.Will.Retain)
			d.properties(&p.Will.Properties)
		}
	case *Connack:
		fmt.Fprintf(d, " %s", p.ReasonCode)
		d.flag("SessionPresent", p.SessionPresent)
		d.properties(&p.Properties)
	case *Publish:
		fmt.Fprintf(d, " QoS=%d TopicName=%q", p.QoS, p.TopicName)
		d.flag("Dup", p.Dup)
		d.flag("Retain", p.Retain)
		d.number("PacketID", int(p.PacketID))
		if p.HasMessageExpiryInterval {
			fmt.Fprintf(d, " MessageExpiryInterval=%d", p.MessageExpiryInterval)
		}
		d.number("TopicAlias", int(p.TopicAlias))
		if len(p.SubscriptionIDs) > 0 {
			fmt.Fprintf(d, " SubscriptionIDs=%v", p.SubscriptionIDs)
		}
		var forwarded Properties
		if err := DecodeProperties(&forwarded, TypePublish, p.ForwardProperties(nil)); err != nil {
			fmt.Fprintf(d, " ForwardProperties=%v", err)
		}
		d.properties(&forwarded)
		fmt.Fprintf(d, " Payload=%q", p.Payload)
	case *Ack:
		fmt.Fprintf(d, " PacketID=%d %s", p.PacketID, p.ReasonCode)
		d.bytes("ReasonString", p.ReasonString)
		d.user(p.UserProperties)
	case *Subscribe:
		fmt.Fprintf(d, " PacketID=%d", p.PacketID)
		d.number("SubscriptionID", int(p.SubscriptionID))
		d.user(p.UserProperties)
		for _, s := range p.Subscriptions {
			fmt.Fprintf(d, " {TopicFilter=%q QoS=%d", s.TopicFilter, s.QoS)
			d.flag("NoLocal", s.NoLocal)
			d.flag("RetainAsPublished", s.RetainAsPublished)
			d.number("RetainHandling", int(s.RetainHandling))
			d.WriteString("}")
		}
	case *Unsubscribe:
		fmt.Fprintf(d, " PacketID=%d", p.PacketID)
		d.user(p.UserProperties)
		fmt.Fprintf(d, " TopicFilters=%q", p.TopicFilters)
	case *Suback:
		fmt.Fprintf(d, " PacketID=%d", p.PacketID)
		d.bytes("ReasonString", p.ReasonString)
		d.user(p.UserProperties)
		for _, code := range p.ReasonCodes {
			fmt.Fprintf(d, " %#02x", byte(code))
		}
	case *Disconnect:
		fmt.Fprintf(d, " %#02x %s", byte(p.ReasonCode), p.ReasonCode)
		d.properties(&p.Properties)
	case *Auth:
		fmt.Fprintf(d, " %s", p.ReasonCode)
		d.properties(&p.Properties)
	}
	return d.String()
}
