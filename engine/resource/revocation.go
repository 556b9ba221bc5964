package resource

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/weirmq/weir/security/revocation"
)

// What becomes of the Clients of a CA whose CRL is stale.
const (
	staleDeny  = "Deny"
	staleAllow = "Allow"
)

// revocationSettings is the field revocation of a method's settings.
type revocationSettings struct {
	path                string
	node                *node
	crlRef, denyListRef string
	onStale             string
}

// revocation reads what takes certificates back.
func (d *decoder) revocation(to **revocationSettings) reader {
	return func(n *node, path string) {
		s := &revocationSettings{path: path, node: n, onStale: staleDeny}
		configMap := referenceProblem(KindConfigMap)
		d.mapping(n, path,
			optional("crlRef", d.matching(&s.crlRef, configMap)),
			optional("denyListRef", d.matching(&s.denyListRef, configMap)),
			optional("onStaleCRL", d.enum(&s.onStale, staleDeny, staleAllow)),
		)
		if n.kind == mappingNode && n.get("crlRef") == nil && n.get("denyListRef") == nil {
			d.fail(n, path, "", "revokes nothing", "give it a crlRef or a denyListRef, or remove it")
		}
		*to = s
	}
}

// tokenRevocation reads what takes tokens back: deny lists alone.
func (d *decoder) tokenRevocation(to **revocationSettings) reader {
	return func(n *node, path string) {
		s := &revocationSettings{path: path, node: n}
		d.mapping(n, path,
			required("denyListRef", d.matching(&s.denyListRef, referenceProblem(KindConfigMap))),
		)
		*to = s
	}
}

// resolvedRevocation is revocationSettings with what they refer to.
type resolvedRevocation struct {
	identity any
	set      *revocation.Set
	crls     crlFiles
}

// crlFiles is CRLs by the digest of the file that they were in: reading one
// again, and verifying it, can take a second.
type crlFiles map[digest][]*revocation.CRL

// resolve makes a Set. cas and old are for CRLs: who may have signed one, and
// what was in force before, if there was anything.
func (s *revocationSettings) resolve(b *builder, d *decoder, cas []certificateAuthority, old *Authentication) (resolvedRevocation, resolution) {
	var config revocation.Config
	var r resolvedRevocation
	var digests []digest
	var stale []bool
	if s.onStale == staleAllow {
		config.OnStale = revocation.AllowStale
	}
	crls, how := s.find(b, d, "crlRef", s.crlRef)
	denied, howDenied := s.find(b, d, "denyListRef", s.denyListRef)
	if how = max(how, howDenied); how != foundAll {
		return r, how
	}
	now := time.Now()
	if crls != nil {
		var ok bool
		if r.crls, ok = b.crls(crls, cas, old); !ok {
			how = foundBroken
		}
		for _, sum := range sortedDigests(r.crls) {
			digests = append(digests, sum)
			config.CRLs = append(config.CRLs, r.crls[sum]...)
		}
		config.CRLs = revocation.Newest(config.CRLs)
		for _, crl := range config.CRLs {
			stale = append(stale, config.OnStale == revocation.DenyStale && crl.Stale(now))
		}
	}
	if denied != nil {
		lists, sums, ok := b.denyLists(denied)
		if !ok {
			how = foundBroken
		}
		config.DenyLists, digests = lists, append(digests, sums...)
	}
	if how != foundAll {
		return r, how
	}
	if crls != nil {
		b.warnOfStale(crls, config, now)
	}
	r.set = revocation.New(config)
	b.snapshot.reviseBy(r.set.NextChange(now))
	r.identity = []any{s.onStale, digests, stale}
	return r, foundAll
}

// find returns the ConfigMap that a field names; nil if it names none.
func (s *revocationSettings) find(b *builder, d *decoder, field, name string) (*configMap, resolution) {
	if name == "" {
		return nil, foundAll
	}
	c := find[configMap](b.catalog, KindConfigMap, name)
	if c == nil {
		b.missing(d, s.node.get(field), s.node, join(s.path, field), KindConfigMap, name)
		return nil, foundMissing
	}
	return c, foundAll
}

// crls returns the CRLs of a ConfigMap: all, under all keys. It refuses one
// that an older one of the same CA has replaced: what was revoked since would
// be good again.
func (b *builder) crls(c *configMap, cas []certificateAuthority, old *Authentication) (crlFiles, bool) {
	d := b.decoder(c.object)
	files := make(crlFiles)
	var before []*revocation.CRL
	if old != nil {
		for _, crls := range old.crls {
			before = append(before, crls...)
		}
	}
	before = revocation.Newest(before)
	var all []*revocation.CRL
	at := make(map[*revocation.CRL]string) // the key
	for _, key := range sortedKeys(c.data) {
		sum := sha256.Sum256(fmt.Appendf(nil, "%q %s", key, c.data[key]))
		crls, known := []*revocation.CRL(nil), false
		if old != nil {
			crls, known = old.crls[sum]
		}
		if !known {
			var err error
			if crls, err = revocation.ParseCRLs(key, c.data[key]); err != nil {
				d.refusedList(c, key, err)
				continue
			}
		}
		for _, crl := range crls {
			at[crl] = key
			if err := crl.Check(certificatesOf(cas)); err != nil {
				d.refusedList(c, key, err)
			}
		}
		files[sum] = crls
		all = append(all, crls...)
	}
	if len(c.data) == 0 {
		d.fail(c.object.node, "data", "", "is empty", "put CRLs there, in PEM or DER, under any key")
	}
	all = revocation.Newest(all)
	for _, crl := range all {
		for _, previous := range before {
			if crl.OlderThan(previous) && !previous.KeptBy(all) {
				d.fail(c.object.node.at("data."+at[crl]), join("data", at[crl]), crl.Issuer,
					fmt.Sprintf("is older (%s) than the CRL that is in force (%s)", crl.Version(), previous.Version()), "fetch the CRL again")
			}
		}
	}
	return files, d.errors == 0
}

// denyLists returns the deny lists of a ConfigMap with what identifies them:
// all, under all keys.
func (b *builder) denyLists(c *configMap) (lists []*revocation.DenyList, sums []digest, ok bool) {
	d := b.decoder(c.object)
	for _, key := range sortedKeys(c.data) {
		list, err := revocation.ParseDenyList(key, c.data[key])
		if err != nil {
			d.refusedList(c, key, err)
			continue
		}
		lists = append(lists, list)
		sums = append(sums, sha256.Sum256(fmt.Appendf(nil, "%q %s", key, c.data[key])))
	}
	return lists, sums, d.errors == 0
}

// refusedList notes what is wrong with a list under a key.
func (d *decoder) refusedList(c *configMap, key string, err error) {
	for _, err := range separate(err) {
		field, at := join("data", key), c.object.node.at("data."+key)
		var e *revocation.Error
		if !errors.As(err, &e) {
			d.fail(at, field, "", err.Error(), "")
			continue
		}
		problem := e.Problem
		if e.Line > 0 {
			problem = fmt.Sprintf("%s (line %d of the list)", problem, e.Line)
		}
		d.fail(at, field, e.Value, problem, e.Remedy)
	}
}

// warnOfStale tells which CRLs are out of date, and what that does.
func (b *builder) warnOfStale(c *configMap, config revocation.Config, now time.Time) {
	d := b.decoder(c.object)
	for _, crl := range config.CRLs {
		if !crl.Stale(now) {
			continue
		}
		remedy := "clients whose certificates this CA issued are refused until a newer one is there"
		if config.OnStale == revocation.AllowStale {
			remedy = "clients are judged by it all the same"
		}
		d.warn(c.object.node.at("data."+crl.Source), join("data", crl.Source), crl.Issuer,
			fmt.Sprintf("is a CRL that is good from %s to %s only", crl.ThisUpdate.UTC().Format(time.RFC3339), crl.NextUpdate.UTC().Format(time.RFC3339)), remedy)
	}
}

// reviseBy makes sure that the snapshot is built again at a time at which it
// would be another, though no file changes. Zero is never.
func (s *Snapshot) reviseBy(at time.Time) {
	if !at.IsZero() && (s.revise.IsZero() || at.Before(s.revise)) {
		s.revise = at
	}
}

// outdated reports whether the snapshot has to be built again.
func (s *Snapshot) outdated(now time.Time) bool {
	return !s.revise.IsZero() && !now.Before(s.revise)
}

func sortedDigests(files crlFiles) []digest {
	return slices.SortedFunc(maps.Keys(files), func(a, b digest) int { return bytes.Compare(a[:], b[:]) })
}
