package netlink

import (
	"fmt"

	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Watch calls notify whenever something may have been taken from the fabric:
// a link or an address has changed, or a route or an entry is gone. It ends when
// done is closed, or with an error when events were lost.
func (h *Host) Watch(done <-chan struct{}, notify func()) error {
	socket, err := nl.SubscribeAt(h.node, netns.None(), unix.NETLINK_ROUTE,
		unix.RTNLGRP_LINK, unix.RTNLGRP_NEIGH, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV4_ROUTE)
	if err != nil {
		return fmt.Errorf("subscribe to network events: %w", err)
	}
	ended := make(chan struct{})
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		select {
		case <-done:
		case <-ended:
		}
		socket.Close() // wakes the reader
	}()
	defer func() { close(ended); <-closed }()
	for {
		messages, _, err := socket.Receive()
		if err != nil {
			select {
			case <-done:
				return nil
			default:
				return fmt.Errorf("receive network events: %w", err)
			}
		}
		for _, m := range messages {
			switch m.Header.Type {
			case unix.RTM_NEWLINK, unix.RTM_DELLINK, unix.RTM_NEWADDR, unix.RTM_DELADDR, unix.RTM_DELROUTE, unix.RTM_DELNEIGH:
				notify()
			}
		}
	}
}
