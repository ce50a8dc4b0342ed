package projections

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"lodge/log"
)

// storeSchema is what the store itself keeps in every shard. A change of it rebuilds every projection.
const storeSchema = `
CREATE TABLE projection_meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE projection_checkpoint (
	topic TEXT PRIMARY KEY,
	next_offset INTEGER NOT NULL,  -- everything before it is in the rows
	last_event_id TEXT NOT NULL    -- of the event before it, to tell another log from this one
) WITHOUT ROWID`

// schema is a projector's schema, taken apart.
type schema struct {
	tables  []string
	indexes []string
	hash    string // of all that the rows' meaning depends on
}

func newSchema(p Projector) schema {
	var s schema
	text := storeSchema
	archiver, ok := p.(Archiver)
	if ok {
		text += ";" + archiveSchema
	}
	for _, sql := range strings.Split(text+";"+p.Schema(), ";") {
		sql = strings.TrimSpace(sql)
		switch upper := strings.ToUpper(sql); {
		case sql == "":
		case strings.HasPrefix(upper, "CREATE INDEX"), strings.HasPrefix(upper, "CREATE UNIQUE INDEX"):
			s.indexes = append(s.indexes, sql)
		default:
			s.tables = append(s.tables, sql)
		}
	}
	text = fmt.Sprint(p.Name(), "\n", p.Topics(), "\n", strings.Join(s.tables, ";"), "\n", strings.Join(s.indexes, ";"))
	if ok {
		text += fmt.Sprint("\n", archiver.Archive())
	}
	sum := sha256.Sum256([]byte(text))
	s.hash = hex.EncodeToString(sum[:])
	return s
}

// identity is what a shard's file must say about itself to be taken for that shard.
func identity(s schema, partition log.Partition, partitions int) map[string]string {
	return map[string]string{
		"schema":     s.hash,
		"partition":  fmt.Sprint(partition),
		"partitions": fmt.Sprint(partitions),
	}
}

func writeIdentity(c *Conn, id map[string]string) error {
	put, err := c.Stmt("INSERT INTO projection_meta (name, value) VALUES (?, ?)")
	if err != nil {
		return err
	}
	for name, value := range id {
		if err := put.Exec(name, value); err != nil {
			return err
		}
	}
	return nil
}

func checkIdentity(ctx context.Context, c *Conn, id map[string]string) error {
	found := map[string]string{}
	err := c.Query(ctx, "SELECT name, value FROM projection_meta", nil, func(r *Row) error {
		found[r.Text(0)] = r.Text(1)
		return nil
	})
	if err != nil {
		return err
	}
	for name, want := range id {
		if found[name] != want {
			return fmt.Errorf("%s: its %s is %q, wanted %q", c.path, name, found[name], want)
		}
	}
	return nil
}
