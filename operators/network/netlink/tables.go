package netlink

import (
	"fmt"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/userdata"

	"slipway.dev/operators/network/fabric"
)

var families = map[string]nftables.TableFamily{
	fabric.FamilyIPv4:   nftables.TableFamilyIPv4,
	fabric.FamilyInet:   nftables.TableFamilyINet,
	fabric.FamilyNetdev: nftables.TableFamilyNetdev,
}

var hooks = map[string]*nftables.ChainHook{
	"prerouting":  nftables.ChainHookPrerouting,
	"input":       nftables.ChainHookInput,
	"forward":     nftables.ChainHookForward,
	"output":      nftables.ChainHookOutput,
	"postrouting": nftables.ChainHookPostrouting,
	"ingress":     nftables.ChainHookIngress,
}

// withRules runs f with a connection to the rules of a namespace.
func (h *Host) withRules(namespace string, f func(*nftables.Conn) error) error {
	ns, err := h.open(namespace)
	if err != nil {
		return err
	}
	defer ns.Close()
	conn, err := nftables.New(nftables.WithNetNSFd(int(ns)), nftables.AsLasting())
	if err != nil {
		return fmt.Errorf("open nftables: %w", err)
	}
	defer conn.CloseLasting() //nolint:errcheck // everything has been flushed
	return f(conn)
}

// observeTables returns the fabric's own tables, as digests.
func (h *Host) observeTables(namespace string) ([]fabric.Table, error) {
	var tables []fabric.Table
	err := h.withRules(namespace, func(conn *nftables.Conn) error {
		for family, number := range families {
			found, err := conn.ListTablesOfFamily(number)
			if err != nil {
				return fmt.Errorf("list tables: %w", err)
			}
			for _, t := range found {
				if !ownedTable(family, t.Name) {
					continue
				}
				digest, err := digest(conn, t)
				if err != nil {
					return fmt.Errorf("read table %s %s: %w", family, t.Name, err)
				}
				tables = append(tables, fabric.Table{Namespace: namespace, Family: family, Name: t.Name, Digest: digest})
			}
		}
		return nil
	})
	return tables, err
}

func ownedTable(family, name string) bool {
	if family == fabric.FamilyNetdev {
		port, ok := strings.CutPrefix(name, fabric.PortTablePrefix)
		return ok && fabric.OwnedName(port, fabric.KindVeth)
	}
	return name == fabric.TableName || family == fabric.FamilyIPv4 && name == fabric.LimitTableName
}

func digest(conn *nftables.Conn, t *nftables.Table) (string, error) {
	chains, err := conn.ListChainsOfTableFamily(t.Family)
	if err != nil {
		return "", err
	}
	marks := map[string][]string{}
	for _, c := range chains {
		if c.Table.Name != t.Name {
			continue
		}
		rules, err := conn.GetRules(t, c)
		if err != nil {
			return "", err
		}
		marks[c.Name] = []string{}
		for _, r := range rules {
			mark, _ := userdata.GetString(r.UserData, userdata.TypeComment)
			marks[c.Name] = append(marks[c.Name], mark)
		}
	}
	return fabric.Digest(marks), nil
}

func (h *Host) deleteTable(t fabric.Table) error {
	return absent(h.withRules(t.Namespace, func(conn *nftables.Conn) error {
		conn.DelTable(&nftables.Table{Family: families[t.Family], Name: t.Name})
		return conn.Flush()
	}))
}

// replaceTable replaces a table in one transaction: no packet meets half of it.
func (h *Host) replaceTable(t fabric.Table) error {
	return h.withRules(t.Namespace, func(conn *nftables.Conn) error {
		table := &nftables.Table{Family: families[t.Family], Name: t.Name}
		conn.AddTable(table) // so that there is one to delete
		conn.DelTable(table)
		conn.AddTable(table)
		rules := &compiler{conn: conn, table: table, family: t.Family, sets: map[string]*nftables.Set{}}
		for _, c := range t.Chains {
			chain := conn.AddChain(&nftables.Chain{
				Name: c.Name, Table: table, Type: nftables.ChainType(c.Type), Hooknum: hooks[c.Hook],
				Priority: new(nftables.ChainPriority(c.Priority)), Device: c.Device,
			})
			marks := c.Marks()
			for i, r := range c.Rules {
				expressions, err := rules.compile(r)
				if err != nil {
					return fmt.Errorf("rule %q: %w", r, err)
				}
				// As a comment, which is the form that nft reads and shows.
				conn.AddRule(&nftables.Rule{
					Table: table, Chain: chain, Exprs: expressions,
					UserData: userdata.AppendString(nil, userdata.TypeComment, marks[i]),
				})
			}
		}
		return conn.Flush()
	})
}
