package resource

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
)

// Describe writes an object for people, in the layout of `kubectl describe`. Of
// a Secret it shows how long the values are. It returns a *NotFoundError if the
// object is not there.
func (s *Store) Describe(w io.Writer, kind Kind, name string) error {
	o, err := s.Get(kind, name)
	if err != nil {
		return err
	}
	var b strings.Builder
	o.describeHead(&b)
	switch kind {
	case KindConfigMap:
		c, _ := decodeValue(o).(*configMap)
		c.describe(&b)
	case KindSecret:
		c, _ := decodeValue(o).(*secret)
		c.describe(&b)
	default:
		fmt.Fprintf(&b, "API Version:  %s\nKind:         %s\n", o.APIVersion, o.Kind)
		for _, p := range o.node.pairs {
			if p.key != "apiVersion" && p.key != "kind" && p.key != "metadata" {
				describeField(&b, p, 0)
			}
		}
	}
	_, err = io.WriteString(w, b.String())
	return err
}

// decodeValue decodes an object as far as it can be, errors or not.
func decodeValue(o *Object) any {
	v, _ := decodeObject(o, new(Problems))
	return v.value
}

func (o *Object) describeHead(b *strings.Builder) {
	namespace := o.Namespace
	if namespace == "" {
		namespace = "<none>"
	}
	fmt.Fprintf(b, "Name:         %s\nNamespace:    %s\n", o.Name, namespace)
	metadata := o.node.get("metadata")
	for _, label := range []string{"labels", "annotations"} {
		head := fmt.Sprintf("%-14s", title(label)+":")
		if n := metadata.get(label); n != nil {
			for _, p := range n.pairs {
				fmt.Fprintf(b, "%s%s: %s\n", head, p.key, p.value.text)
				head = strings.Repeat(" ", len(head))
			}
		}
	}
}

func (c *configMap) describe(b *strings.Builder) {
	b.WriteString("\nData\n====\n")
	for _, key := range sortedKeys(c.data) {
		if !c.binary[key] {
			fmt.Fprintf(b, "%s:\n----\n%s\n", key, c.data[key])
		}
	}
	b.WriteString("\nBinaryData\n====\n")
	for _, key := range sortedKeys(c.data) {
		if c.binary[key] {
			fmt.Fprintf(b, "%s: %d bytes\n", key, len(c.data[key]))
		}
	}
}

func (s *secret) describe(b *strings.Builder) {
	fmt.Fprintf(b, "\nType:  %s\n\nData\n====\n", s.kind)
	t := tabwriter.NewWriter(b, 0, 8, 2, ' ', 0)
	for _, key := range sortedKeys(s.data) {
		fmt.Fprintf(t, "%s:\t%d bytes\n", key, len(s.data[key]))
	}
	t.Flush() // to a strings.Builder, which cannot fail
}

// describeField writes a field and what is below it, indented.
func describeField(b *strings.Builder, p pair, depth int) {
	indent := strings.Repeat("  ", depth)
	switch p.value.kind {
	case mappingNode:
		fmt.Fprintf(b, "%s%s:\n", indent, title(p.key))
		for _, below := range p.value.pairs {
			describeField(b, below, depth+1)
		}
	case sequenceNode:
		fmt.Fprintf(b, "%s%s:\n", indent, title(p.key))
		for _, item := range p.value.items {
			if item.kind != mappingNode {
				fmt.Fprintf(b, "%s  %s\n", indent, item.text)
				continue
			}
			for _, below := range item.pairs {
				describeField(b, below, depth+1)
			}
		}
	default:
		fmt.Fprintf(b, "%s%s:  %s\n", indent, title(p.key), p.value.text)
	}
}

// title writes the name of a field as a heading: "authenticationRef" becomes
// "Authentication Ref".
func title(s string) string {
	var b strings.Builder
	for i, r := range s {
		switch {
		case i == 0:
			r = unicode.ToUpper(r)
		case unicode.IsUpper(r):
			b.WriteByte(' ')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// Service is what a cluster makes of a BrokerListener: the name and ports that
// clients use.
type Service struct {
	Name      string
	Namespace string
	Listener  string // the BrokerListener
	Type      string // ClusterIP, LoadBalancer or NodePort, as kubectl prints them
	Ports     []ServicePort
	Modified  time.Time // of the manifest
}

// ServicePort is one port of a Service.
type ServicePort struct {
	Port     int
	NodePort int // 0: none
}

// Services returns the services of the listeners, by name of listener.
func (s *Store) Services() ([]Service, error) {
	objects, err := s.List(KindBrokerListener)
	if err != nil {
		return nil, err
	}
	var services []Service
	for _, o := range objects {
		l, ok := decodeValue(o).(*listener)
		if !ok {
			continue // there is no spec in it
		}
		service := Service{Name: l.serviceName, Namespace: o.Namespace, Listener: o.Name, Type: l.serviceType, Modified: o.Modified}
		if l.serviceType == serviceClusterIP {
			service.Type = "ClusterIP"
		}
		for _, p := range l.ports {
			service.Ports = append(service.Ports, ServicePort{p.number, p.nodePort})
		}
		services = append(services, service)
	}
	return services, nil
}
