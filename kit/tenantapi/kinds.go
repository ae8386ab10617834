package tenantapi

import "time"

// serves notes whether a kind could be read. What is cached of one that cannot
// be, for longer than a restart takes, is not what is there.
func (c *connection) serves(kind string, ok bool) {
	c.mu.Lock()
	since, before := c.unserved[kind]
	if ok {
		delete(c.unserved, kind)
	} else if !before {
		now := time.Now()
		c.unserved[kind] = now
		time.AfterFunc(unservedAfter, func() { c.tellUnserved(kind, now) })
	}
	c.mu.Unlock()
	if ok && before && time.Since(since) >= unservedAfter {
		c.clusters.OnChange(c.key)
	}
}

// tellUnserved tells the owner of a kind that has not been served since then.
func (c *connection) tellUnserved(kind string, since time.Time) {
	c.mu.Lock()
	still := c.unserved[kind].Equal(since)
	c.mu.Unlock()
	if still {
		c.clusters.OnChange(c.key)
	}
}

// hasTooMany notes that the tenant has too many objects of a kind, or no longer.
func (c *connection) hasTooMany(kind string, tooMany bool) {
	c.mu.Lock()
	_, before := c.overfull[kind]
	if tooMany {
		c.overfull[kind] = struct{}{}
	} else {
		delete(c.overfull, kind)
	}
	c.mu.Unlock()
	if before != tooMany {
		c.clusters.OnChange(c.key)
	}
}

// forgive forgets what was wrong with the caches of a connection that is lost.
func (c *connection) forgive() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.overfull)
	clear(c.unserved)
}
