package tenantapi

import "time"

// serves records whether a kind could be read. What is cached of one that cannot
// be, for longer than a restart takes, is not what is there.
func (c *connection) serves(kind string, ok bool) {
	c.mu.Lock()
	since, before := c.unserved[kind]
	if ok {
		delete(c.unserved, kind)
	} else if !before {
		now := time.Now()
		c.unserved[kind] = now
		time.AfterFunc(unservedAfter, func() { c.notifyUnserved(kind, now) })
	}
	c.mu.Unlock()
	if ok && before && time.Since(since) >= unservedAfter {
		c.clusters.OnChange(c.key)
	}
}

// notifyUnserved tells the owner when a kind has not been served since then.
func (c *connection) notifyUnserved(kind string, since time.Time) {
	c.mu.Lock()
	still := c.unserved[kind].Equal(since)
	c.mu.Unlock()
	if still {
		c.clusters.OnChange(c.key)
	}
}

// hasTooMany records that the tenant has too many objects of a kind, or no longer.
func (c *connection) hasTooMany(kind string, tooMany bool) {
	c.mu.Lock()
	_, before := c.oversized[kind]
	if tooMany {
		c.oversized[kind] = struct{}{}
	} else {
		delete(c.oversized, kind)
	}
	c.mu.Unlock()
	if before != tooMany {
		c.clusters.OnChange(c.key)
	}
}

// resetKinds forgets what was wrong with the caches of a connection that is lost.
func (c *connection) resetKinds() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.oversized)
	clear(c.unserved)
}
