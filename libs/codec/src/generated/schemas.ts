// Generated from schemas/ by `npm run generate`. Do not edit.

export const eventSchemas = {
  AddressAwaited: {
    "type": "record",
    "name": "AddressAwaited",
    "namespace": "nvo3.event.v1",
    "doc": "A tenant system stands ready to take what another one passes to it in the event of the given revision (AddressPassed). By itself it changes no table. It keeps the taker's stream: whatever else comes there first, the passing does not count. Without a holder it says that the tenant system waits no more.",
    "fields": [
      {
        "name": "audit",
        "type": {
          "type": "record",
          "name": "Audit",
          "namespace": "nvo3.v1",
          "doc": "Who caused an event, when and on whose request.",
          "fields": [
            {
              "name": "recordedAt",
              "type": "long",
              "doc": "Milliseconds since 1970-01-01T00:00:00Z, by the clock of the NVA process that decided the event."
            },
            {
              "name": "actor",
              "type": "string",
              "doc": "The authenticated caller: operator:<name>, nve:<nveId>, or system:<part> for what the NVA decided itself."
            },
            {
              "name": "correlationId",
              "type": "string",
              "doc": "The X-Correlation-Id of the request, or one made for it; follows the change through logs, log and feed."
            },
            {
              "name": "idempotencyKey",
              "type": [
                "null",
                "string"
              ],
              "doc": "The Idempotency-Key of the request, if it had one; unique per actor for 24 hours.",
              "default": null
            },
            {
              "name": "requestDigest",
              "type": [
                "null",
                "string"
              ],
              "doc": "SHA-256 of the request in hex, present with idempotencyKey: the same key with another body is refused.",
              "default": null
            }
          ]
        },
        "doc": "Who, when and why."
      },
      {
        "name": "tsId",
        "type": "string",
        "doc": "The taker: one vNIC of one VM (R1)."
      },
      {
        "name": "from",
        "type": [
          "null",
          "string"
        ],
        "doc": "The holder, a tenant system of the same tenant; null where it waits no more: a registrar that did not know whether what it waited for had come writes that before it decides anything about it.",
        "default": null
      },
      {
        "name": "revision",
        "type": "long",
        "doc": "The revision of the holder's stream in which it passes the address; 0 without a holder.",
        "default": 0
      }
    ]
  },
  AddressPassed: {
    "type": "record",
    "name": "AddressPassed",
    "namespace": "nvo3.event.v1",
    "doc": "A tenant system passed an IP, its MAC or both to another one of its tenant, in one change. It counts only while the taker's last event is the AddressAwaited of this revision: else another writer came first there, and nothing happens.",
    "fields": [
      {
        "name": "audit",
        "type": {
          "type": "record",
          "name": "Audit",
          "namespace": "nvo3.v1",
          "doc": "Who caused an event, when and on whose request.",
          "fields": [
            {
              "name": "recordedAt",
              "type": "long",
              "doc": "Milliseconds since 1970-01-01T00:00:00Z, by the clock of the NVA process that decided the event."
            },
            {
              "name": "actor",
              "type": "string",
              "doc": "The authenticated caller: operator:<name>, nve:<nveId>, or system:<part> for what the NVA decided itself."
            },
            {
              "name": "correlationId",
              "type": "string",
              "doc": "The X-Correlation-Id of the request, or one made for it; follows the change through logs, log and feed."
            },
            {
              "name": "idempotencyKey",
              "type": [
                "null",
                "string"
              ],
              "doc": "The Idempotency-Key of the request, if it had one; unique per actor for 24 hours.",
              "default": null
            },
            {
              "name": "requestDigest",
              "type": [
                "null",
                "string"
              ],
              "doc": "SHA-256 of the request in hex, present with idempotencyKey: the same key with another body is refused.",
              "default": null
            }
          ]
        },
        "doc": "Who, when and why."
      },
      {
        "name": "tsId",
        "type": "string",
        "doc": "The holder until then: one vNIC of one VM (R1)."
      },
      {
        "name": "to",
        "type": "string",
        "doc": "The taker, a tenant system of the same tenant."
      },
      {
        "name": "toRevision",
        "type": "long",
        "doc": "The revision of the taker's stream at which it awaits this."
      },
      {
        "name": "vnid",
        "type": [
          "null",
          "int"
        ],
        "doc": "The VN that the IP is passed in; null where only MACs are.",
        "default": null
      },
      {
        "name": "ip",
        "type": [
          "null",
          "string"
        ],
        "doc": "The IP that the taker has from now on; null where only MACs are passed.",
        "default": null
      },
      {
        "name": "mac",
        "type": [
          "null",
          "string"
        ],
        "doc": "The holder's MAC from now on, aa:bb:cc:dd:ee:ff; null leaves it as it is.",
        "default": null
      },
      {
        "name": "bindings",
        "type": {
          "type": "array",
          "items": {
            "type": "record",
            "name": "Binding",
            "namespace": "nvo3.v1",
            "doc": "One connection of a tenant system to a VN: BID and address (R16, R18, R23, R24).",
            "fields": [
              {
                "name": "bid",
                "type": [
                  "null",
                  "int"
                ],
                "doc": "Binding identifier, 1 to 65535, unique per tenant system; null while the only address has none (R19).",
                "default": null
              },
              {
                "name": "vnid",
                "type": "int",
                "doc": "Virtual network identifier, 1 to 16777215."
              },
              {
                "name": "vlan",
                "type": [
                  "null",
                  "int"
                ],
                "doc": "VLAN id 1 to 4094 in an L2 VN, null there for frames without a tag; always null in an L3 VN.",
                "default": null
              },
              {
                "name": "ip",
                "type": [
                  "null",
                  "string"
                ],
                "doc": "IPv4 dotted quad or IPv6 per RFC 5952; always set in an L3 VN, optional in an L2 VN.",
                "default": null
              },
              {
                "name": "lifetimeS",
                "type": [
                  "null",
                  "int"
                ],
                "doc": "Seconds after which the binding lapses unless renewed; null lasts until detached (R24a).",
                "default": null
              }
            ]
          }
        },
        "doc": "Bindings of the holder as they now are: with the IP that it got in exchange, or without one.",
        "default": []
      },
      {
        "name": "deregistered",
        "type": {
          "type": "array",
          "items": "int"
        },
        "doc": "BIDs of the holder's bindings that ended; 0 is the binding without a BID.",
        "default": []
      },
      {
        "name": "toMac",
        "type": [
          "null",
          "string"
        ],
        "doc": "The taker's MAC from now on, which was the holder's; null leaves it as it is.",
        "default": null
      },
      {
        "name": "toBindings",
        "type": {
          "type": "array",
          "items": "nvo3.v1.Binding"
        },
        "doc": "Bindings of the taker as they now are. A line replaces the binding with the same BID, or with the same VN and address.",
        "default": []
      }
    ]
  },
  BindingDeregistered: {
    "type": "record",
    "name": "BindingDeregistered",
    "namespace": "nvo3.event.v1",
    "doc": "A binding of a tenant system was de-registered (R22).",
    "fields": [
      {
        "name": "audit",
        "type": {
          "type": "record",
          "name": "Audit",
          "namespace": "nvo3.v1",
          "doc": "Who caused an event, when and on whose request.",
          "fields": [
            {
              "name": "recordedAt",
              "type": "long",
              "doc": "Milliseconds since 1970-01-01T00:00:00Z, by the clock of the NVA process that decided the event."
            },
            {
              "name": "actor",
              "type": "string",
              "doc": "The authenticated caller: operator:<name>, nve:<nveId>, or system:<part> for what the NVA decided itself."
            },
            {
              "name": "correlationId",
              "type": "string",
              "doc": "The X-Correlation-Id of the request, or one made for it; follows the change through logs, log and feed."
            },
            {
              "name": "idempotencyKey",
              "type": [
                "null",
                "string"
              ],
              "doc": "The Idempotency-Key of the request, if it had one; unique per actor for 24 hours.",
              "default": null
            },
            {
              "name": "requestDigest",
              "type": [
                "null",
                "string"
              ],
              "doc": "SHA-256 of the request in hex, present with idempotencyKey: the same key with another body is refused.",
              "default": null
            }
          ]
        },
        "doc": "Who, when and why."
      },
      {
        "name": "tsId",
        "type": "string",
        "doc": "The tenant system: one vNIC of one VM (R1)."
      },
      {
        "name": "bid",
        "type": "int",
        "doc": "Its BID; 0 is the binding without one."
      }
    ]
  },
  BindingsLapsed: {
    "type": "record",
    "name": "BindingsLapsed",
    "namespace": "nvo3.event.v1",
    "doc": "Bindings ended because their lifetime ran out without renewal (R24a).",
    "fields": [
      {
        "name": "audit",
        "type": {
          "type": "record",
          "name": "Audit",
          "namespace": "nvo3.v1",
          "doc": "Who caused an event, when and on whose request.",
          "fields": [
            {
              "name": "recordedAt",
              "type": "long",
              "doc": "Milliseconds since 1970-01-01T00:00:00Z, by the clock of the NVA process that decided the event."
            },
            {
              "name": "actor",
              "type": "string",
              "doc": "The authenticated caller: operator:<name>, nve:<nveId>, or system:<part> for what the NVA decided itself."
            },
            {
              "name": "correlationId",
              "type": "string",
              "doc": "The X-Correlation-Id of the request, or one made for it; follows the change through logs, log and feed."
            },
            {
              "name": "idempotencyKey",
              "type": [
                "null",
                "string"
              ],
              "doc": "The Idempotency-Key of the request, if it had one; unique per actor for 24 hours.",
              "default": null
            },
            {
              "name": "requestDigest",
              "type": [
                "null",
                "string"
              ],
              "doc": "SHA-256 of the request in hex, present with idempotencyKey: the same key with another body is refused.",
              "default": null
            }
          ]
        },
        "doc": "Who, when and why."
      },
      {
        "name": "tsId",
        "type": "string",
        "doc": "The tenant system: one vNIC of one VM (R1)."
      },
      {
        "name": "bids",
        "type": {
          "type": "array",
          "items": "int"
        },
        "doc": "Their BIDs; 0 is the binding without one."
      },
      {
        "name": "group",
        "type": [
          "null",
          "string"
        ],
        "doc": "The group whose owner decided it; null where one process owns every term.",
        "default": null
      },
      {
        "name": "owner",
        "type": [
          "null",
          "long"
        ],
        "doc": "Position of the OracleTookOver that made it the owner; the lapse is void if another came before it in the log.",
        "default": null
      }
    ]
  },
  BindingsRegistered: {
    "type": "record",
    "name": "BindingsRegistered",
    "namespace": "nvo3.event.v1",
    "doc": "Bindings of a tenant system were registered or changed, all in one step (R20). A line replaces the binding with the same BID, or with the same VN and address.",
    "fields": [
      {
        "name": "audit",
        "type": {
          "type": "record",
          "name": "Audit",
          "namespace": "nvo3.v1",
          "doc": "Who caused an event, when and on whose request.",
          "fields": [
            {
              "name": "recordedAt",
              "type": "long",
              "doc": "Milliseconds since 1970-01-01T00:00:00Z, by the clock of the NVA process that decided the event."
            },
            {
              "name": "actor",
              "type": "string",
              "doc": "The authenticated caller: operator:<name>, nve:<nveId>, or system:<part> for what the NVA decided itself."
            },
            {
              "name": "correlationId",
              "type": "string",
              "doc": "The X-Correlation-Id of the request, or one made for it; follows the change through logs, log and feed."
            },
            {
              "name": "idempotencyKey",
              "type": [
                "null",
                "string"
              ],
              "doc": "The Idempotency-Key of the request, if it had one; unique per actor for 24 hours.",
              "default": null
            },
            {
              "name": "requestDigest",
              "type": [
                "null",
                "string"
              ],
              "doc": "SHA-256 of the request in hex, present with idempotencyKey: the same key with another body is refused.",
              "default": null
            }
          ]
        },
        "doc": "Who, when and why."
      },
      {
        "name": "tsId",
        "type": "string",
        "doc": "The tenant system: one vNIC of one VM (R1)."
      },
      {
        "name": "bindings",
        "type": {
          "type": "array",
          "items": {
            "type": "record",
            "name": "Binding",
            "namespace": "nvo3.v1",
            "doc": "One connection of a tenant system to a VN: BID and address (R16, R18, R23, R24).",
            "fields": [
              {
                "name": "bid",
                "type": [
                  "null",
                  "int"
                ],
                "doc": "Binding identifier, 1 to 65535, unique per tenant system; null while the only address has none (R19).",
                "default": null
              },
              {
                "name": "vnid",
                "type": "int",
                "doc": "Virtual network identifier, 1 to 16777215."
              },
              {
                "name": "vlan",
                "type": [
                  "null",
                  "int"
                ],
                "doc": "VLAN id 1 to 4094 in an L2 VN, null there for frames without a tag; always null in an L3 VN.",
                "default": null
              },
              {
                "name": "ip",
                "type": [
                  "null",
                  "string"
                ],
                "doc": "IPv4 dotted quad or IPv6 per RFC 5952; always set in an L3 VN, optional in an L2 VN.",
                "default": null
              },
              {
                "name": "lifetimeS",
                "type": [
                  "null",
                  "int"
                ],
                "doc": "Seconds after which the binding lapses unless renewed; null lasts until detached (R24a).",
                "default": null
              }
            ]
          }
        },
        "doc": "The bindings as they now are."
      },
      {
        "name": "deregistered",
        "type": {
          "type": "array",
          "items": "int"
        },
        "doc": "BIDs of the bindings that ended in the same step (lifetime 0, R24a); 0 is the binding without a BID.",
        "default": []
      }
    ]
  },
  ConnectionFailed: {
    "type": "record",
    "name": "ConnectionFailed",
    "namespace": "nvo3.event.v1",
    "doc": "A tenant system can no longer reach a VN through an NVE; attaching there again clears it (R56).",
    "fields": [
      {
        "name": "audit",
        "type": {
          "type": "record",
          "name": "Audit",
          "namespace": "nvo3.v1",
          "doc": "Who caused an event, when and on whose request.",
          "fields": [
            {
              "name": "recordedAt",
              "type": "long",
              "doc": "Milliseconds since 1970-01-01T00:00:00Z, by the clock of the NVA process that decided the event."
            },
            {
              "name": "actor",
              "type": "string",
              "doc": "The authenticated caller: operator:<name>, nve:<nveId>, or system:<part> for what the NVA decided itself."
            },
            {
              "name": "correlationId",
              "type": "string",
              "doc": "The X-Correlation-Id of the request, or one made for it; follows the change through logs, log and feed."
            },
            {
              "name": "idempotencyKey",
              "type": [
                "null",
                "string"
              ],
              "doc": "The Idempotency-Key of the request, if it had one; unique per actor for 24 hours.",
              "default": null
            },
            {
              "name": "requestDigest",
              "type": [
                "null",
                "string"
              ],
              "doc": "SHA-256 of the request in hex, present with idempotencyKey: the same key with another body is refused.",
              "default": null
            }
          ]
        },
        "doc": "Who, when and why."
      },
      {
        "name": "tsId",
        "type": "string",
        "doc": "The tenant system: one vNIC of one VM (R1)."
      },
      {
        "name": "nveId",
        "type": "string",
        "doc": "The NVE."
      },
      {
        "name": "vnid",
        "type": [
          "null",
          "int"
        ],
        "doc": "The VN; null means every VN of the tenant system.",
        "default": null
      }
    ]
  },
  FoldUpgraded: {
    "type": "record",
    "name": "FoldUpgraded",
    "namespace": "nvo3.event.v1",
    "doc": "The rules of the fold changed; differences that they make carry this event’s position.",
    "fields": [
      {
        "name": "audit",
        "type": {
          "type": "record",
          "name": "Audit",
          "namespace": "nvo3.v1",
          "doc": "Who caused an event, when and on whose request.",
          "fields": [
            {
              "name": "recordedAt",
              "type": "long",
              "doc": "Milliseconds since 1970-01-01T00:00:00Z, by the clock of the NVA process that decided the event."
            },
            {
              "name": "actor",
              "type": "string",
              "doc": "The authenticated caller: operator:<name>, nve:<nveId>, or system:<part> for what the NVA decided itself."
            },
            {
              "name": "correlationId",
              "type": "string",
              "doc": "The X-Correlation-Id of the request, or one made for it; follows the change through logs, log and feed."
            },
            {
              "name": "idempotencyKey",
              "type": [
                "null",
                "string"
              ],
              "doc": "The Idempotency-Key of the request, if it had one; unique per actor for 24 hours.",
              "default": null
            },
            {
              "name": "requestDigest",
              "type": [
                "null",
                "string"
              ],
              "doc": "SHA-256 of the request in hex, present with idempotencyKey: the same key with another body is refused.",
              "default": null
            }
          ]
        },
        "doc": "Who, when and why."
      },
      {
        "name": "fromVersion",
        "type": "int",
        "doc": "Fold version before."
      },
      {
        "name": "toVersion",
        "type": "int",
        "doc": "Fold version from here on."
      }
    ]
  },
  LogRenewed: {
    "type": "record",
    "name": "LogRenewed",
    "namespace": "nvo3.event.v1",
    "doc": "The end of the log was lost, as by a restore from a backup, and that was accepted: from here on it is another log, whose positions are not those of the one before. No table changes.",
    "fields": [
      {
        "name": "audit",
        "type": {
          "type": "record",
          "name": "Audit",
          "namespace": "nvo3.v1",
          "doc": "Who caused an event, when and on whose request.",
          "fields": [
            {
              "name": "recordedAt",
              "type": "long",
              "doc": "Milliseconds since 1970-01-01T00:00:00Z, by the clock of the NVA process that decided the event."
            },
            {
              "name": "actor",
              "type": "string",
              "doc": "The authenticated caller: operator:<name>, nve:<nveId>, or system:<part> for what the NVA decided itself."
            },
            {
              "name": "correlationId",
              "type": "string",
              "doc": "The X-Correlation-Id of the request, or one made for it; follows the change through logs, log and feed."
            },
            {
              "name": "idempotencyKey",
              "type": [
                "null",
                "string"
              ],
              "doc": "The Idempotency-Key of the request, if it had one; unique per actor for 24 hours.",
              "default": null
            },
            {
              "name": "requestDigest",
              "type": [
                "null",
                "string"
              ],
              "doc": "SHA-256 of the request in hex, present with idempotencyKey: the same key with another body is refused.",
              "default": null
            }
          ]
        },
        "doc": "Who, when and why."
      },
      {
        "name": "log",
        "type": "string",
        "doc": "UUID of the log from here on."
      },
      {
        "name": "previousLog",
        "type": "string",
        "doc": "UUID of the log before."
      },
      {
        "name": "head",
        "type": "long",
        "doc": "Position of the last event that was still there; 0 if there was none. What stood after it under the UUID before is lost."
      },
      {
        "name": "lostTo",
        "type": [
          "null",
          "long"
        ],
        "doc": "Furthest position that the log before is known to have reached; null if nothing told of any beyond the head.",
        "default": null
      },
      {
        "name": "reason",
        "type": "string",
        "doc": "Why the loss was accepted, as whoever did so put it."
      }
    ]
  },
  MacChanged: {
    "type": "record",
    "name": "MacChanged",
    "namespace": "nvo3.event.v1",
    "doc": "The MAC of a tenant system changed, in all its VNs at once (R14, R15).",
    "fields": [
      {
        "name": "audit",
        "type": {
          "type": "record",
          "name": "Audit",
          "namespace": "nvo3.v1",
          "doc": "Who caused an event, when and on whose request.",
          "fields": [
            {
              "name": "recordedAt",
              "type": "long",
              "doc": "Milliseconds since 1970-01-01T00:00:00Z, by the clock of the NVA process that decided the event."
            },
            {
              "name": "actor",
              "type": "string",
              "doc": "The authenticated caller: operator:<name>, nve:<nveId>, or system:<part> for what the NVA decided itself."
            },
            {
              "name": "correlationId",
              "type": "string",
              "doc": "The X-Correlation-Id of the request, or one made for it; follows the change through logs, log and feed."
            },
            {
              "name": "idempotencyKey",
              "type": [
                "null",
                "string"
              ],
              "doc": "The Idempotency-Key of the request, if it had one; unique per actor for 24 hours.",
              "default": null
            },
            {
              "name": "requestDigest",
              "type": [
                "null",
                "string"
              ],
              "doc": "SHA-256 of the request in hex, present with idempotencyKey: the same key with another body is refused.",
              "default": null
            }
          ]
        },
        "doc": "Who, when and why."
      },
      {
        "name": "tsId",
        "type": "string",
        "doc": "The tenant system: one vNIC of one VM (R1)."
      },
      {
        "name": "mac",
        "type": "string",
        "doc": "The new MAC, aa:bb:cc:dd:ee:ff."
      }
    ]
  },
  NveConnected: {
    "type": "record",
    "name": "NveConnected",
    "namespace": "nvo3.event.v1",
    "doc": "An NVE connected, returned or announced new properties; it is reachable.",
    "fields": [
      {
        "name": "audit",
        "type": {
          "type": "record",
          "name": "Audit",
          "namespace": "nvo3.v1",
          "doc": "Who caused an event, when and on whose request.",
          "fields": [
            {
              "name": "recordedAt",
              "type": "long",
              "doc": "Milliseconds since 1970-01-01T00:00:00Z, by the clock of the NVA process that decided the event."
            },
            {
              "name": "actor",
              "type": "string",
              "doc": "The authenticated caller: operator:<name>, nve:<nveId>, or system:<part> for what the NVA decided itself."
            },
            {
              "name": "correlationId",
              "type": "string",
              "doc": "The X-Correlation-Id of the request, or one made for it; follows the change through logs, log and feed."
            },
            {
              "name": "idempotencyKey",
              "type": [
                "null",
                "string"
              ],
              "doc": "The Idempotency-Key of the request, if it had one; unique per actor for 24 hours.",
              "default": null
            },
            {
              "name": "requestDigest",
              "type": [
                "null",
                "string"
              ],
              "doc": "SHA-256 of the request in hex, present with idempotencyKey: the same key with another body is refused.",
              "default": null
            }
          ]
        },
        "doc": "Who, when and why."
      },
      {
        "name": "nveId",
        "type": "string",
        "doc": "The NVE."
      },
      {
        "name": "siteId",
        "type": "string",
        "doc": "The site whose edge it is (R2)."
      },
      {
        "name": "mac",
        "type": "string",
        "doc": "Its underlay MAC, aa:bb:cc:dd:ee:ff."
      },
      {
        "name": "addresses",
        "type": {
          "type": "array",
          "items": "string"
        },
        "doc": "Its underlay IP addresses, preferred first."
      },
      {
        "name": "incarnation",
        "type": "long",
        "doc": "Grows with every restart of the NVE; a lower one is refused."
      },
      {
        "name": "leaseS",
        "type": [
          "null",
          "int"
        ],
        "doc": "Seconds after which it counts as unreachable without a heartbeat; null has no lease.",
        "default": null
      }
    ]
  },
  NveDisconnected: {
    "type": "record",
    "name": "NveDisconnected",
    "namespace": "nvo3.event.v1",
    "doc": "An NVE disconnected: unreachable at once, its attachments stay.",
    "fields": [
      {
        "name": "audit",
        "type": {
          "type": "record",
          "name": "Audit",
          "namespace": "nvo3.v1",
          "doc": "Who caused an event, when and on whose request.",
          "fields": [
            {
              "name": "recordedAt",
              "type": "long",
              "doc": "Milliseconds since 1970-01-01T00:00:00Z, by the clock of the NVA process that decided the event."
            },
            {
              "name": "actor",
              "type": "string",
              "doc": "The authenticated caller: operator:<name>, nve:<nveId>, or system:<part> for what the NVA decided itself."
            },
            {
              "name": "correlationId",
              "type": "string",
              "doc": "The X-Correlation-Id of the request, or one made for it; follows the change through logs, log and feed."
            },
            {
              "name": "idempotencyKey",
              "type": [
                "null",
                "string"
              ],
              "doc": "The Idempotency-Key of the request, if it had one; unique per actor for 24 hours.",
              "default": null
            },
            {
              "name": "requestDigest",
              "type": [
                "null",
                "string"
              ],
              "doc": "SHA-256 of the request in hex, present with idempotencyKey: the same key with another body is refused.",
              "default": null
            }
          ]
        },
        "doc": "Who, when and why."
      },
      {
        "name": "nveId",
        "type": "string",
        "doc": "The NVE."
      }
    ]
  },
  NveForgotten: {
    "type": "record",
    "name": "NveForgotten",
    "namespace": "nvo3.event.v1",
    "doc": "An operator removed an NVE that had no attachments.",
    "fields": [
      {
        "name": "audit",
        "type": {
          "type": "record",
          "name": "Audit",
          "namespace": "nvo3.v1",
          "doc": "Who caused an event, when and on whose request.",
          "fields": [
            {
              "name": "recordedAt",
              "type": "long",
              "doc": "Milliseconds since 1970-01-01T00:00:00Z, by the clock of the NVA process that decided the event."
            },
            {
              "name": "actor",
              "type": "string",
              "doc": "The authenticated caller: operator:<name>, nve:<nveId>, or system:<part> for what the NVA decided itself."
            },
            {
              "name": "correlationId",
              "type": "string",
              "doc": "The X-Correlation-Id of the request, or one made for it; follows the change through logs, log and feed."
            },
            {
              "name": "idempotencyKey",
              "type": [
                "null",
                "string"
              ],
              "doc": "The Idempotency-Key of the request, if it had one; unique per actor for 24 hours.",
              "default": null
            },
            {
              "name": "requestDigest",
              "type": [
                "null",
                "string"
              ],
              "doc": "SHA-256 of the request in hex, present with idempotencyKey: the same key with another body is refused.",
              "default": null
            }
          ]
        },
        "doc": "Who, when and why."
      },
      {
        "name": "nveId",
        "type": "string",
        "doc": "The NVE."
      }
    ]
  },
  NveLeaseLapsed: {
    "type": "record",
    "name": "NveLeaseLapsed",
    "namespace": "nvo3.event.v1",
    "doc": "An NVE sent no heartbeat for the length of its lease: unreachable, its attachments stay.",
    "fields": [
      {
        "name": "audit",
        "type": {
          "type": "record",
          "name": "Audit",
          "namespace": "nvo3.v1",
          "doc": "Who caused an event, when and on whose request.",
          "fields": [
            {
              "name": "recordedAt",
              "type": "long",
              "doc": "Milliseconds since 1970-01-01T00:00:00Z, by the clock of the NVA process that decided the event."
            },
            {
              "name": "actor",
              "type": "string",
              "doc": "The authenticated caller: operator:<name>, nve:<nveId>, or system:<part> for what the NVA decided itself."
            },
            {
              "name": "correlationId",
              "type": "string",
              "doc": "The X-Correlation-Id of the request, or one made for it; follows the change through logs, log and feed."
            },
            {
              "name": "idempotencyKey",
              "type": [
                "null",
                "string"
              ],
              "doc": "The Idempotency-Key of the request, if it had one; unique per actor for 24 hours.",
              "default": null
            },
            {
              "name": "requestDigest",
              "type": [
                "null",
                "string"
              ],
              "doc": "SHA-256 of the request in hex, present with idempotencyKey: the same key with another body is refused.",
              "default": null
            }
          ]
        },
        "doc": "Who, when and why."
      },
      {
        "name": "nveId",
        "type": "string",
        "doc": "The NVE."
      },
      {
        "name": "incarnation",
        "type": "long",
        "doc": "Grows with every restart of the NVE; a lower one is refused."
      },
      {
        "name": "group",
        "type": [
          "null",
          "string"
        ],
        "doc": "The group whose owner decided it; null where one process owns every term.",
        "default": null
      },
      {
        "name": "owner",
        "type": [
          "null",
          "long"
        ],
        "doc": "Position of the OracleTookOver that made it the owner; the lapse is void if another came before it in the log.",
        "default": null
      }
    ]
  },
  NveRestored: {
    "type": "record",
    "name": "NveRestored",
    "namespace": "nvo3.event.v1",
    "doc": "A heartbeat restored an NVE whose lease had lapsed: reachable.",
    "fields": [
      {
        "name": "audit",
        "type": {
          "type": "record",
          "name": "Audit",
          "namespace": "nvo3.v1",
          "doc": "Who caused an event, when and on whose request.",
          "fields": [
            {
              "name": "recordedAt",
              "type": "long",
              "doc": "Milliseconds since 1970-01-01T00:00:00Z, by the clock of the NVA process that decided the event."
            },
            {
              "name": "actor",
              "type": "string",
              "doc": "The authenticated caller: operator:<name>, nve:<nveId>, or system:<part> for what the NVA decided itself."
            },
            {
              "name": "correlationId",
              "type": "string",
              "doc": "The X-Correlation-Id of the request, or one made for it; follows the change through logs, log and feed."
            },
            {
              "name": "idempotencyKey",
              "type": [
                "null",
                "string"
              ],
              "doc": "The Idempotency-Key of the request, if it had one; unique per actor for 24 hours.",
              "default": null
            },
            {
              "name": "requestDigest",
              "type": [
                "null",
                "string"
              ],
              "doc": "SHA-256 of the request in hex, present with idempotencyKey: the same key with another body is refused.",
              "default": null
            }
          ]
        },
        "doc": "Who, when and why."
      },
      {
        "name": "nveId",
        "type": "string",
        "doc": "The NVE."
      },
      {
        "name": "incarnation",
        "type": "long",
        "doc": "Grows with every restart of the NVE; a lower one is refused."
      }
    ]
  },
  OracleTookOver: {
    "type": "record",
    "name": "OracleTookOver",
    "namespace": "nvo3.event.v1",
    "doc": "A registrar took the terms of a group over: from here on its lapses count, and those that an earlier owner decided do not.",
    "fields": [
      {
        "name": "audit",
        "type": {
          "type": "record",
          "name": "Audit",
          "namespace": "nvo3.v1",
          "doc": "Who caused an event, when and on whose request.",
          "fields": [
            {
              "name": "recordedAt",
              "type": "long",
              "doc": "Milliseconds since 1970-01-01T00:00:00Z, by the clock of the NVA process that decided the event."
            },
            {
              "name": "actor",
              "type": "string",
              "doc": "The authenticated caller: operator:<name>, nve:<nveId>, or system:<part> for what the NVA decided itself."
            },
            {
              "name": "correlationId",
              "type": "string",
              "doc": "The X-Correlation-Id of the request, or one made for it; follows the change through logs, log and feed."
            },
            {
              "name": "idempotencyKey",
              "type": [
                "null",
                "string"
              ],
              "doc": "The Idempotency-Key of the request, if it had one; unique per actor for 24 hours.",
              "default": null
            },
            {
              "name": "requestDigest",
              "type": [
                "null",
                "string"
              ],
              "doc": "SHA-256 of the request in hex, present with idempotencyKey: the same key with another body is refused.",
              "default": null
            }
          ]
        },
        "doc": "Who, when and why."
      },
      {
        "name": "group",
        "type": "string",
        "doc": "The group of tenant systems (R34)."
      },
      {
        "name": "oracleId",
        "type": "string",
        "doc": "UUID of the registrar process."
      },
      {
        "name": "url",
        "type": "string",
        "doc": "Where it is reached by other registrars."
      }
    ]
  },
  TenantSystemAttached: {
    "type": "record",
    "name": "TenantSystemAttached",
    "namespace": "nvo3.event.v1",
    "doc": "A tenant system that was attached nowhere is now attached to an NVE (R33, R45 to R48).",
    "fields": [
      {
        "name": "audit",
        "type": {
          "type": "record",
          "name": "Audit",
          "namespace": "nvo3.v1",
          "doc": "Who caused an event, when and on whose request.",
          "fields": [
            {
              "name": "recordedAt",
              "type": "long",
              "doc": "Milliseconds since 1970-01-01T00:00:00Z, by the clock of the NVA process that decided the event."
            },
            {
              "name": "actor",
              "type": "string",
              "doc": "The authenticated caller: operator:<name>, nve:<nveId>, or system:<part> for what the NVA decided itself."
            },
            {
              "name": "correlationId",
              "type": "string",
              "doc": "The X-Correlation-Id of the request, or one made for it; follows the change through logs, log and feed."
            },
            {
              "name": "idempotencyKey",
              "type": [
                "null",
                "string"
              ],
              "doc": "The Idempotency-Key of the request, if it had one; unique per actor for 24 hours.",
              "default": null
            },
            {
              "name": "requestDigest",
              "type": [
                "null",
                "string"
              ],
              "doc": "SHA-256 of the request in hex, present with idempotencyKey: the same key with another body is refused.",
              "default": null
            }
          ]
        },
        "doc": "Who, when and why."
      },
      {
        "name": "tsId",
        "type": "string",
        "doc": "The tenant system: one vNIC of one VM (R1)."
      },
      {
        "name": "tenantId",
        "type": "string",
        "doc": "The tenant that the tenant system belongs to."
      },
      {
        "name": "vmId",
        "type": "string",
        "doc": "The VM whose vNIC it is."
      },
      {
        "name": "mac",
        "type": "string",
        "doc": "Its MAC, aa:bb:cc:dd:ee:ff (R13)."
      },
      {
        "name": "attachment",
        "type": {
          "type": "record",
          "name": "Attachment",
          "namespace": "nvo3.v1",
          "doc": "Where a tenant system is attached: one NVE and the access link to it.",
          "fields": [
            {
              "name": "nveId",
              "type": "string",
              "doc": "The NVE."
            },
            {
              "name": "logicalInterface",
              "type": [
                "null",
                "string"
              ],
              "doc": "Logical interface id of the access link at that NVE, a VLAN id or vSwitch port (R11). Never sent to a remote NVE.",
              "default": null
            },
            {
              "name": "state",
              "type": {
                "type": "enum",
                "name": "AttachmentState",
                "namespace": "nvo3.v1",
                "doc": "Two-phase attachment (RFC 8394): associated is in the tables but not forwarding, activated forwards (X5).",
                "symbols": [
                  "associated",
                  "activated"
                ],
                "default": "activated"
              },
              "doc": "associated or activated (X5)."
            }
          ]
        },
        "doc": "The attachment as it now is."
      },
      {
        "name": "bindings",
        "type": {
          "type": "array",
          "items": {
            "type": "record",
            "name": "Binding",
            "namespace": "nvo3.v1",
            "doc": "One connection of a tenant system to a VN: BID and address (R16, R18, R23, R24).",
            "fields": [
              {
                "name": "bid",
                "type": [
                  "null",
                  "int"
                ],
                "doc": "Binding identifier, 1 to 65535, unique per tenant system; null while the only address has none (R19).",
                "default": null
              },
              {
                "name": "vnid",
                "type": "int",
                "doc": "Virtual network identifier, 1 to 16777215."
              },
              {
                "name": "vlan",
                "type": [
                  "null",
                  "int"
                ],
                "doc": "VLAN id 1 to 4094 in an L2 VN, null there for frames without a tag; always null in an L3 VN.",
                "default": null
              },
              {
                "name": "ip",
                "type": [
                  "null",
                  "string"
                ],
                "doc": "IPv4 dotted quad or IPv6 per RFC 5952; always set in an L3 VN, optional in an L2 VN.",
                "default": null
              },
              {
                "name": "lifetimeS",
                "type": [
                  "null",
                  "int"
                ],
                "doc": "Seconds after which the binding lapses unless renewed; null lasts until detached (R24a).",
                "default": null
              }
            ]
          }
        },
        "doc": "The whole set of its bindings; may be empty."
      },
      {
        "name": "mobility",
        "type": "int",
        "doc": "Mobility sequence number of the tenant system, never decreasing over its life (RFC 7432 section 7.7): greater by one than before if it was last at another NVE."
      }
    ]
  },
  TenantSystemAttachmentAdded: {
    "type": "record",
    "name": "TenantSystemAttachmentAdded",
    "namespace": "nvo3.event.v1",
    "doc": "A tenant system is attached to one more NVE and keeps the others: multihoming or the first half of a migration (X5).",
    "fields": [
      {
        "name": "audit",
        "type": {
          "type": "record",
          "name": "Audit",
          "namespace": "nvo3.v1",
          "doc": "Who caused an event, when and on whose request.",
          "fields": [
            {
              "name": "recordedAt",
              "type": "long",
              "doc": "Milliseconds since 1970-01-01T00:00:00Z, by the clock of the NVA process that decided the event."
            },
            {
              "name": "actor",
              "type": "string",
              "doc": "The authenticated caller: operator:<name>, nve:<nveId>, or system:<part> for what the NVA decided itself."
            },
            {
              "name": "correlationId",
              "type": "string",
              "doc": "The X-Correlation-Id of the request, or one made for it; follows the change through logs, log and feed."
            },
            {
              "name": "idempotencyKey",
              "type": [
                "null",
                "string"
              ],
              "doc": "The Idempotency-Key of the request, if it had one; unique per actor for 24 hours.",
              "default": null
            },
            {
              "name": "requestDigest",
              "type": [
                "null",
                "string"
              ],
              "doc": "SHA-256 of the request in hex, present with idempotencyKey: the same key with another body is refused.",
              "default": null
            }
          ]
        },
        "doc": "Who, when and why."
      },
      {
        "name": "tsId",
        "type": "string",
        "doc": "The tenant system: one vNIC of one VM (R1)."
      },
      {
        "name": "attachment",
        "type": {
          "type": "record",
          "name": "Attachment",
          "namespace": "nvo3.v1",
          "doc": "Where a tenant system is attached: one NVE and the access link to it.",
          "fields": [
            {
              "name": "nveId",
              "type": "string",
              "doc": "The NVE."
            },
            {
              "name": "logicalInterface",
              "type": [
                "null",
                "string"
              ],
              "doc": "Logical interface id of the access link at that NVE, a VLAN id or vSwitch port (R11). Never sent to a remote NVE.",
              "default": null
            },
            {
              "name": "state",
              "type": {
                "type": "enum",
                "name": "AttachmentState",
                "namespace": "nvo3.v1",
                "doc": "Two-phase attachment (RFC 8394): associated is in the tables but not forwarding, activated forwards (X5).",
                "symbols": [
                  "associated",
                  "activated"
                ],
                "default": "activated"
              },
              "doc": "associated or activated (X5)."
            }
          ]
        },
        "doc": "The attachment as it now is."
      },
      {
        "name": "mac",
        "type": [
          "null",
          "string"
        ],
        "doc": "The new MAC, aa:bb:cc:dd:ee:ff; null leaves it as it is.",
        "default": null
      },
      {
        "name": "bindings",
        "type": [
          "null",
          {
            "type": "array",
            "items": {
              "type": "record",
              "name": "Binding",
              "namespace": "nvo3.v1",
              "doc": "One connection of a tenant system to a VN: BID and address (R16, R18, R23, R24).",
              "fields": [
                {
                  "name": "bid",
                  "type": [
                    "null",
                    "int"
                  ],
                  "doc": "Binding identifier, 1 to 65535, unique per tenant system; null while the only address has none (R19).",
                  "default": null
                },
                {
                  "name": "vnid",
                  "type": "int",
                  "doc": "Virtual network identifier, 1 to 16777215."
                },
                {
                  "name": "vlan",
                  "type": [
                    "null",
                    "int"
                  ],
                  "doc": "VLAN id 1 to 4094 in an L2 VN, null there for frames without a tag; always null in an L3 VN.",
                  "default": null
                },
                {
                  "name": "ip",
                  "type": [
                    "null",
                    "string"
                  ],
                  "doc": "IPv4 dotted quad or IPv6 per RFC 5952; always set in an L3 VN, optional in an L2 VN.",
                  "default": null
                },
                {
                  "name": "lifetimeS",
                  "type": [
                    "null",
                    "int"
                  ],
                  "doc": "Seconds after which the binding lapses unless renewed; null lasts until detached (R24a).",
                  "default": null
                }
              ]
            }
          }
        ],
        "doc": "The whole new set of bindings; null leaves them as they are.",
        "default": null
      }
    ]
  },
  TenantSystemAttachmentChanged: {
    "type": "record",
    "name": "TenantSystemAttachmentChanged",
    "namespace": "nvo3.event.v1",
    "doc": "A tenant system was attached again at an NVE that it is at, with something changed: phase, access link, MAC, bindings, or a connection failure cleared.",
    "fields": [
      {
        "name": "audit",
        "type": {
          "type": "record",
          "name": "Audit",
          "namespace": "nvo3.v1",
          "doc": "Who caused an event, when and on whose request.",
          "fields": [
            {
              "name": "recordedAt",
              "type": "long",
              "doc": "Milliseconds since 1970-01-01T00:00:00Z, by the clock of the NVA process that decided the event."
            },
            {
              "name": "actor",
              "type": "string",
              "doc": "The authenticated caller: operator:<name>, nve:<nveId>, or system:<part> for what the NVA decided itself."
            },
            {
              "name": "correlationId",
              "type": "string",
              "doc": "The X-Correlation-Id of the request, or one made for it; follows the change through logs, log and feed."
            },
            {
              "name": "idempotencyKey",
              "type": [
                "null",
                "string"
              ],
              "doc": "The Idempotency-Key of the request, if it had one; unique per actor for 24 hours.",
              "default": null
            },
            {
              "name": "requestDigest",
              "type": [
                "null",
                "string"
              ],
              "doc": "SHA-256 of the request in hex, present with idempotencyKey: the same key with another body is refused.",
              "default": null
            }
          ]
        },
        "doc": "Who, when and why."
      },
      {
        "name": "tsId",
        "type": "string",
        "doc": "The tenant system: one vNIC of one VM (R1)."
      },
      {
        "name": "attachment",
        "type": {
          "type": "record",
          "name": "Attachment",
          "namespace": "nvo3.v1",
          "doc": "Where a tenant system is attached: one NVE and the access link to it.",
          "fields": [
            {
              "name": "nveId",
              "type": "string",
              "doc": "The NVE."
            },
            {
              "name": "logicalInterface",
              "type": [
                "null",
                "string"
              ],
              "doc": "Logical interface id of the access link at that NVE, a VLAN id or vSwitch port (R11). Never sent to a remote NVE.",
              "default": null
            },
            {
              "name": "state",
              "type": {
                "type": "enum",
                "name": "AttachmentState",
                "namespace": "nvo3.v1",
                "doc": "Two-phase attachment (RFC 8394): associated is in the tables but not forwarding, activated forwards (X5).",
                "symbols": [
                  "associated",
                  "activated"
                ],
                "default": "activated"
              },
              "doc": "associated or activated (X5)."
            }
          ]
        },
        "doc": "The attachment as it now is."
      },
      {
        "name": "mac",
        "type": [
          "null",
          "string"
        ],
        "doc": "The new MAC, aa:bb:cc:dd:ee:ff; null leaves it as it is.",
        "default": null
      },
      {
        "name": "bindings",
        "type": [
          "null",
          {
            "type": "array",
            "items": {
              "type": "record",
              "name": "Binding",
              "namespace": "nvo3.v1",
              "doc": "One connection of a tenant system to a VN: BID and address (R16, R18, R23, R24).",
              "fields": [
                {
                  "name": "bid",
                  "type": [
                    "null",
                    "int"
                  ],
                  "doc": "Binding identifier, 1 to 65535, unique per tenant system; null while the only address has none (R19).",
                  "default": null
                },
                {
                  "name": "vnid",
                  "type": "int",
                  "doc": "Virtual network identifier, 1 to 16777215."
                },
                {
                  "name": "vlan",
                  "type": [
                    "null",
                    "int"
                  ],
                  "doc": "VLAN id 1 to 4094 in an L2 VN, null there for frames without a tag; always null in an L3 VN.",
                  "default": null
                },
                {
                  "name": "ip",
                  "type": [
                    "null",
                    "string"
                  ],
                  "doc": "IPv4 dotted quad or IPv6 per RFC 5952; always set in an L3 VN, optional in an L2 VN.",
                  "default": null
                },
                {
                  "name": "lifetimeS",
                  "type": [
                    "null",
                    "int"
                  ],
                  "doc": "Seconds after which the binding lapses unless renewed; null lasts until detached (R24a).",
                  "default": null
                }
              ]
            }
          }
        ],
        "doc": "The whole new set of bindings; null leaves them as they are.",
        "default": null
      }
    ]
  },
  TenantSystemDetached: {
    "type": "record",
    "name": "TenantSystemDetached",
    "namespace": "nvo3.event.v1",
    "doc": "A tenant system left one NVE. From the last one it leaves every VN, and its bindings end (R49).",
    "fields": [
      {
        "name": "audit",
        "type": {
          "type": "record",
          "name": "Audit",
          "namespace": "nvo3.v1",
          "doc": "Who caused an event, when and on whose request.",
          "fields": [
            {
              "name": "recordedAt",
              "type": "long",
              "doc": "Milliseconds since 1970-01-01T00:00:00Z, by the clock of the NVA process that decided the event."
            },
            {
              "name": "actor",
              "type": "string",
              "doc": "The authenticated caller: operator:<name>, nve:<nveId>, or system:<part> for what the NVA decided itself."
            },
            {
              "name": "correlationId",
              "type": "string",
              "doc": "The X-Correlation-Id of the request, or one made for it; follows the change through logs, log and feed."
            },
            {
              "name": "idempotencyKey",
              "type": [
                "null",
                "string"
              ],
              "doc": "The Idempotency-Key of the request, if it had one; unique per actor for 24 hours.",
              "default": null
            },
            {
              "name": "requestDigest",
              "type": [
                "null",
                "string"
              ],
              "doc": "SHA-256 of the request in hex, present with idempotencyKey: the same key with another body is refused.",
              "default": null
            }
          ]
        },
        "doc": "Who, when and why."
      },
      {
        "name": "tsId",
        "type": "string",
        "doc": "The tenant system: one vNIC of one VM (R1)."
      },
      {
        "name": "nveId",
        "type": "string",
        "doc": "The NVE that it left."
      },
      {
        "name": "mobility",
        "type": [
          "null",
          "int"
        ],
        "doc": "Mobility sequence number, if it has moved by this: it is left at NVEs that were not its place. null leaves it as it is.",
        "default": null
      }
    ]
  },
  TenantSystemMoved: {
    "type": "record",
    "name": "TenantSystemMoved",
    "namespace": "nvo3.event.v1",
    "doc": "A tenant system left every other NVE and is now at this one (R55).",
    "fields": [
      {
        "name": "audit",
        "type": {
          "type": "record",
          "name": "Audit",
          "namespace": "nvo3.v1",
          "doc": "Who caused an event, when and on whose request.",
          "fields": [
            {
              "name": "recordedAt",
              "type": "long",
              "doc": "Milliseconds since 1970-01-01T00:00:00Z, by the clock of the NVA process that decided the event."
            },
            {
              "name": "actor",
              "type": "string",
              "doc": "The authenticated caller: operator:<name>, nve:<nveId>, or system:<part> for what the NVA decided itself."
            },
            {
              "name": "correlationId",
              "type": "string",
              "doc": "The X-Correlation-Id of the request, or one made for it; follows the change through logs, log and feed."
            },
            {
              "name": "idempotencyKey",
              "type": [
                "null",
                "string"
              ],
              "doc": "The Idempotency-Key of the request, if it had one; unique per actor for 24 hours.",
              "default": null
            },
            {
              "name": "requestDigest",
              "type": [
                "null",
                "string"
              ],
              "doc": "SHA-256 of the request in hex, present with idempotencyKey: the same key with another body is refused.",
              "default": null
            }
          ]
        },
        "doc": "Who, when and why."
      },
      {
        "name": "tsId",
        "type": "string",
        "doc": "The tenant system: one vNIC of one VM (R1)."
      },
      {
        "name": "attachment",
        "type": {
          "type": "record",
          "name": "Attachment",
          "namespace": "nvo3.v1",
          "doc": "Where a tenant system is attached: one NVE and the access link to it.",
          "fields": [
            {
              "name": "nveId",
              "type": "string",
              "doc": "The NVE."
            },
            {
              "name": "logicalInterface",
              "type": [
                "null",
                "string"
              ],
              "doc": "Logical interface id of the access link at that NVE, a VLAN id or vSwitch port (R11). Never sent to a remote NVE.",
              "default": null
            },
            {
              "name": "state",
              "type": {
                "type": "enum",
                "name": "AttachmentState",
                "namespace": "nvo3.v1",
                "doc": "Two-phase attachment (RFC 8394): associated is in the tables but not forwarding, activated forwards (X5).",
                "symbols": [
                  "associated",
                  "activated"
                ],
                "default": "activated"
              },
              "doc": "associated or activated (X5)."
            }
          ]
        },
        "doc": "The attachment as it now is."
      },
      {
        "name": "from",
        "type": {
          "type": "array",
          "items": "string"
        },
        "doc": "The NVEs that it left."
      },
      {
        "name": "mac",
        "type": [
          "null",
          "string"
        ],
        "doc": "The new MAC, aa:bb:cc:dd:ee:ff; null leaves it as it is.",
        "default": null
      },
      {
        "name": "bindings",
        "type": [
          "null",
          {
            "type": "array",
            "items": {
              "type": "record",
              "name": "Binding",
              "namespace": "nvo3.v1",
              "doc": "One connection of a tenant system to a VN: BID and address (R16, R18, R23, R24).",
              "fields": [
                {
                  "name": "bid",
                  "type": [
                    "null",
                    "int"
                  ],
                  "doc": "Binding identifier, 1 to 65535, unique per tenant system; null while the only address has none (R19).",
                  "default": null
                },
                {
                  "name": "vnid",
                  "type": "int",
                  "doc": "Virtual network identifier, 1 to 16777215."
                },
                {
                  "name": "vlan",
                  "type": [
                    "null",
                    "int"
                  ],
                  "doc": "VLAN id 1 to 4094 in an L2 VN, null there for frames without a tag; always null in an L3 VN.",
                  "default": null
                },
                {
                  "name": "ip",
                  "type": [
                    "null",
                    "string"
                  ],
                  "doc": "IPv4 dotted quad or IPv6 per RFC 5952; always set in an L3 VN, optional in an L2 VN.",
                  "default": null
                },
                {
                  "name": "lifetimeS",
                  "type": [
                    "null",
                    "int"
                  ],
                  "doc": "Seconds after which the binding lapses unless renewed; null lasts until detached (R24a).",
                  "default": null
                }
              ]
            }
          }
        ],
        "doc": "The whole new set of bindings; null leaves them as they are.",
        "default": null
      },
      {
        "name": "mobility",
        "type": "int",
        "doc": "Mobility sequence number after it: greater by one, unless the NVE was its place already, and it has only left others."
      },
      {
        "name": "recentMoves",
        "type": "int",
        "doc": "Moves within the last 180 seconds, this one included; more than 5 raise an alarm (X9, RFC 7432 section 15.1). 0 if the NVE was its place already."
      }
    ]
  },
  TenantSystemRemoved: {
    "type": "record",
    "name": "TenantSystemRemoved",
    "namespace": "nvo3.event.v1",
    "doc": "An operator detached a tenant system from every NVE; its bindings end.",
    "fields": [
      {
        "name": "audit",
        "type": {
          "type": "record",
          "name": "Audit",
          "namespace": "nvo3.v1",
          "doc": "Who caused an event, when and on whose request.",
          "fields": [
            {
              "name": "recordedAt",
              "type": "long",
              "doc": "Milliseconds since 1970-01-01T00:00:00Z, by the clock of the NVA process that decided the event."
            },
            {
              "name": "actor",
              "type": "string",
              "doc": "The authenticated caller: operator:<name>, nve:<nveId>, or system:<part> for what the NVA decided itself."
            },
            {
              "name": "correlationId",
              "type": "string",
              "doc": "The X-Correlation-Id of the request, or one made for it; follows the change through logs, log and feed."
            },
            {
              "name": "idempotencyKey",
              "type": [
                "null",
                "string"
              ],
              "doc": "The Idempotency-Key of the request, if it had one; unique per actor for 24 hours.",
              "default": null
            },
            {
              "name": "requestDigest",
              "type": [
                "null",
                "string"
              ],
              "doc": "SHA-256 of the request in hex, present with idempotencyKey: the same key with another body is refused.",
              "default": null
            }
          ]
        },
        "doc": "Who, when and why."
      },
      {
        "name": "tsId",
        "type": "string",
        "doc": "The tenant system: one vNIC of one VM (R1)."
      },
      {
        "name": "from",
        "type": {
          "type": "array",
          "items": "string"
        },
        "doc": "The NVEs that it was attached to."
      }
    ]
  },
  VnCreated: {
    "type": "record",
    "name": "VnCreated",
    "namespace": "nvo3.event.v1",
    "doc": "A VN was created, or created again after its deletion: a new incarnation.",
    "fields": [
      {
        "name": "audit",
        "type": {
          "type": "record",
          "name": "Audit",
          "namespace": "nvo3.v1",
          "doc": "Who caused an event, when and on whose request.",
          "fields": [
            {
              "name": "recordedAt",
              "type": "long",
              "doc": "Milliseconds since 1970-01-01T00:00:00Z, by the clock of the NVA process that decided the event."
            },
            {
              "name": "actor",
              "type": "string",
              "doc": "The authenticated caller: operator:<name>, nve:<nveId>, or system:<part> for what the NVA decided itself."
            },
            {
              "name": "correlationId",
              "type": "string",
              "doc": "The X-Correlation-Id of the request, or one made for it; follows the change through logs, log and feed."
            },
            {
              "name": "idempotencyKey",
              "type": [
                "null",
                "string"
              ],
              "doc": "The Idempotency-Key of the request, if it had one; unique per actor for 24 hours.",
              "default": null
            },
            {
              "name": "requestDigest",
              "type": [
                "null",
                "string"
              ],
              "doc": "SHA-256 of the request in hex, present with idempotencyKey: the same key with another body is refused.",
              "default": null
            }
          ]
        },
        "doc": "Who, when and why."
      },
      {
        "name": "vnid",
        "type": "int",
        "doc": "Virtual network identifier, 1 to 16777215."
      },
      {
        "name": "tenantId",
        "type": "string",
        "doc": "The tenant that owns it; never changes."
      },
      {
        "name": "name",
        "type": "string",
        "doc": "Name of the VN, for people (R37)."
      },
      {
        "name": "service",
        "type": {
          "type": "enum",
          "name": "Service",
          "namespace": "nvo3.v1",
          "doc": "Forwarding service of a VN: l2 carries frames by MAC and VLAN, l3 carries packets by IP (R16, R50).",
          "symbols": [
            "l2",
            "l3"
          ],
          "default": "l3"
        },
        "doc": "l2 or l3; never changes."
      },
      {
        "name": "encapsulation",
        "type": {
          "type": "string",
          "values": [
            "vxlan",
            "nvgre",
            "mpls-gre"
          ]
        },
        "doc": "Data plane encapsulation: vxlan, nvgre or mpls-gre (R25)."
      },
      {
        "name": "policies",
        "type": {
          "type": "record",
          "name": "Policies",
          "namespace": "nvo3.v1",
          "doc": "Access and tunnel policies of a VN context (R50, R51), opaque to the NVA.",
          "fields": [
            {
              "name": "access",
              "type": {
                "type": "map",
                "values": "string"
              },
              "doc": "Attributes of the access path, by name.",
              "default": {}
            },
            {
              "name": "tunnel",
              "type": {
                "type": "map",
                "values": "string"
              },
              "doc": "Traffic-engineering attributes of the tunnels, by name.",
              "default": {}
            }
          ]
        },
        "doc": "Access and tunnel policies (R50)."
      }
    ]
  },
  VnDeleted: {
    "type": "record",
    "name": "VnDeleted",
    "namespace": "nvo3.event.v1",
    "doc": "A VN was deleted. The VNID stays its tenant’s until it is purged.",
    "fields": [
      {
        "name": "audit",
        "type": {
          "type": "record",
          "name": "Audit",
          "namespace": "nvo3.v1",
          "doc": "Who caused an event, when and on whose request.",
          "fields": [
            {
              "name": "recordedAt",
              "type": "long",
              "doc": "Milliseconds since 1970-01-01T00:00:00Z, by the clock of the NVA process that decided the event."
            },
            {
              "name": "actor",
              "type": "string",
              "doc": "The authenticated caller: operator:<name>, nve:<nveId>, or system:<part> for what the NVA decided itself."
            },
            {
              "name": "correlationId",
              "type": "string",
              "doc": "The X-Correlation-Id of the request, or one made for it; follows the change through logs, log and feed."
            },
            {
              "name": "idempotencyKey",
              "type": [
                "null",
                "string"
              ],
              "doc": "The Idempotency-Key of the request, if it had one; unique per actor for 24 hours.",
              "default": null
            },
            {
              "name": "requestDigest",
              "type": [
                "null",
                "string"
              ],
              "doc": "SHA-256 of the request in hex, present with idempotencyKey: the same key with another body is refused.",
              "default": null
            }
          ]
        },
        "doc": "Who, when and why."
      },
      {
        "name": "vnid",
        "type": "int",
        "doc": "Virtual network identifier, 1 to 16777215."
      }
    ]
  },
  VnPurged: {
    "type": "record",
    "name": "VnPurged",
    "namespace": "nvo3.event.v1",
    "doc": "The topic of a deleted VN is gone, and the VNID is free for any tenant.",
    "fields": [
      {
        "name": "audit",
        "type": {
          "type": "record",
          "name": "Audit",
          "namespace": "nvo3.v1",
          "doc": "Who caused an event, when and on whose request.",
          "fields": [
            {
              "name": "recordedAt",
              "type": "long",
              "doc": "Milliseconds since 1970-01-01T00:00:00Z, by the clock of the NVA process that decided the event."
            },
            {
              "name": "actor",
              "type": "string",
              "doc": "The authenticated caller: operator:<name>, nve:<nveId>, or system:<part> for what the NVA decided itself."
            },
            {
              "name": "correlationId",
              "type": "string",
              "doc": "The X-Correlation-Id of the request, or one made for it; follows the change through logs, log and feed."
            },
            {
              "name": "idempotencyKey",
              "type": [
                "null",
                "string"
              ],
              "doc": "The Idempotency-Key of the request, if it had one; unique per actor for 24 hours.",
              "default": null
            },
            {
              "name": "requestDigest",
              "type": [
                "null",
                "string"
              ],
              "doc": "SHA-256 of the request in hex, present with idempotencyKey: the same key with another body is refused.",
              "default": null
            }
          ]
        },
        "doc": "Who, when and why."
      },
      {
        "name": "vnid",
        "type": "int",
        "doc": "Virtual network identifier, 1 to 16777215."
      }
    ]
  },
  VnReleased: {
    "type": "record",
    "name": "VnReleased",
    "namespace": "nvo3.event.v1",
    "doc": "An operator frees the VNID of a deleted VN before its time: its topic is deleted next, and VnPurged follows.",
    "fields": [
      {
        "name": "audit",
        "type": {
          "type": "record",
          "name": "Audit",
          "namespace": "nvo3.v1",
          "doc": "Who caused an event, when and on whose request.",
          "fields": [
            {
              "name": "recordedAt",
              "type": "long",
              "doc": "Milliseconds since 1970-01-01T00:00:00Z, by the clock of the NVA process that decided the event."
            },
            {
              "name": "actor",
              "type": "string",
              "doc": "The authenticated caller: operator:<name>, nve:<nveId>, or system:<part> for what the NVA decided itself."
            },
            {
              "name": "correlationId",
              "type": "string",
              "doc": "The X-Correlation-Id of the request, or one made for it; follows the change through logs, log and feed."
            },
            {
              "name": "idempotencyKey",
              "type": [
                "null",
                "string"
              ],
              "doc": "The Idempotency-Key of the request, if it had one; unique per actor for 24 hours.",
              "default": null
            },
            {
              "name": "requestDigest",
              "type": [
                "null",
                "string"
              ],
              "doc": "SHA-256 of the request in hex, present with idempotencyKey: the same key with another body is refused.",
              "default": null
            }
          ]
        },
        "doc": "Who, when and why."
      },
      {
        "name": "vnid",
        "type": "int",
        "doc": "Virtual network identifier, 1 to 16777215."
      },
      {
        "name": "reason",
        "type": "string",
        "doc": "Why, in the operator's words: one line of text."
      }
    ]
  },
  VnUpdated: {
    "type": "record",
    "name": "VnUpdated",
    "namespace": "nvo3.event.v1",
    "doc": "The name, encapsulation or policies of a VN changed.",
    "fields": [
      {
        "name": "audit",
        "type": {
          "type": "record",
          "name": "Audit",
          "namespace": "nvo3.v1",
          "doc": "Who caused an event, when and on whose request.",
          "fields": [
            {
              "name": "recordedAt",
              "type": "long",
              "doc": "Milliseconds since 1970-01-01T00:00:00Z, by the clock of the NVA process that decided the event."
            },
            {
              "name": "actor",
              "type": "string",
              "doc": "The authenticated caller: operator:<name>, nve:<nveId>, or system:<part> for what the NVA decided itself."
            },
            {
              "name": "correlationId",
              "type": "string",
              "doc": "The X-Correlation-Id of the request, or one made for it; follows the change through logs, log and feed."
            },
            {
              "name": "idempotencyKey",
              "type": [
                "null",
                "string"
              ],
              "doc": "The Idempotency-Key of the request, if it had one; unique per actor for 24 hours.",
              "default": null
            },
            {
              "name": "requestDigest",
              "type": [
                "null",
                "string"
              ],
              "doc": "SHA-256 of the request in hex, present with idempotencyKey: the same key with another body is refused.",
              "default": null
            }
          ]
        },
        "doc": "Who, when and why."
      },
      {
        "name": "vnid",
        "type": "int",
        "doc": "Virtual network identifier, 1 to 16777215."
      },
      {
        "name": "name",
        "type": "string",
        "doc": "Name of the VN, for people (R37)."
      },
      {
        "name": "encapsulation",
        "type": {
          "type": "string",
          "values": [
            "vxlan",
            "nvgre",
            "mpls-gre"
          ]
        },
        "doc": "Data plane encapsulation: vxlan, nvgre or mpls-gre (R25)."
      },
      {
        "name": "policies",
        "type": {
          "type": "record",
          "name": "Policies",
          "namespace": "nvo3.v1",
          "doc": "Access and tunnel policies of a VN context (R50, R51), opaque to the NVA.",
          "fields": [
            {
              "name": "access",
              "type": {
                "type": "map",
                "values": "string"
              },
              "doc": "Attributes of the access path, by name.",
              "default": {}
            },
            {
              "name": "tunnel",
              "type": {
                "type": "map",
                "values": "string"
              },
              "doc": "Traffic-engineering attributes of the tunnels, by name.",
              "default": {}
            }
          ]
        },
        "doc": "Access and tunnel policies (R50)."
      }
    ]
  },
} as const;

export const recordSchemas = {
  Mapping: {
    "type": "record",
    "name": "Mapping",
    "namespace": "nvo3.v1",
    "doc": "Value of key mapping/<tsId>/... on a VN’s topic: one connection of a tenant system to the VN (R8, R9).",
    "fields": [
      {
        "name": "tsId",
        "type": "string",
        "doc": "The tenant system: one vNIC of one VM (R1)."
      },
      {
        "name": "bid",
        "type": [
          "null",
          "int"
        ],
        "doc": "Binding identifier, 1 to 65535; null if it has none (R12).",
        "default": null
      },
      {
        "name": "mac",
        "type": "string",
        "doc": "MAC of the tenant system, aa:bb:cc:dd:ee:ff."
      },
      {
        "name": "ip",
        "type": [
          "null",
          "string"
        ],
        "doc": "IP of the tenant system; always set in an L3 VN.",
        "default": null
      },
      {
        "name": "vlan",
        "type": [
          "null",
          "int"
        ],
        "doc": "VLAN id 1 to 4094 in an L2 VN.",
        "default": null
      },
      {
        "name": "attachments",
        "type": {
          "type": "array",
          "items": {
            "type": "record",
            "name": "PublishedAttachment",
            "namespace": "nvo3.v1",
            "doc": "Where a mapping is reached: the NVE and the phase of the attachment, without the access link (R11).",
            "fields": [
              {
                "name": "nveId",
                "type": "string",
                "doc": "The NVE that serves the tenant system; its addresses are in the member record of this NVE."
              },
              {
                "name": "state",
                "type": {
                  "type": "enum",
                  "name": "AttachmentState",
                  "namespace": "nvo3.v1",
                  "doc": "Two-phase attachment (RFC 8394): associated is in the tables but not forwarding, activated forwards (X5).",
                  "symbols": [
                    "associated",
                    "activated"
                  ],
                  "default": "activated"
                },
                "doc": "associated or activated (X5)."
              }
            ]
          }
        },
        "doc": "The NVEs that serve it: one, unless multihomed or migrating."
      },
      {
        "name": "mobility",
        "type": "int",
        "doc": "Mobility sequence number of the tenant system (RFC 7432 section 7.7)."
      },
      {
        "name": "via",
        "type": [
          "null",
          "string"
        ],
        "doc": "The interconnect that imported the mapping from another VN; null for the VN’s own (R53).",
        "default": null
      }
    ]
  },
  Membership: {
    "type": "record",
    "name": "Membership",
    "namespace": "nvo3.v1",
    "doc": "Value of key vn/<vnid> on an NVE’s topic: a VN that the NVE is in and where to follow it (X8).",
    "fields": [
      {
        "name": "vnid",
        "type": "int",
        "doc": "Virtual network identifier, 1 to 16777215."
      },
      {
        "name": "topic",
        "type": "string",
        "doc": "The VN’s topic."
      },
      {
        "name": "brokers",
        "type": [
          "null",
          {
            "type": "array",
            "items": "string"
          }
        ],
        "doc": "Bootstrap brokers of that topic, host:port; null means those of this topic.",
        "default": null
      },
      {
        "name": "since",
        "type": "long",
        "doc": "Log position at which the membership began."
      }
    ]
  },
  VnContext: {
    "type": "record",
    "name": "VnContext",
    "namespace": "nvo3.v1",
    "doc": "Value of key context on a VN’s topic: the VN itself (R37, R43, R50).",
    "fields": [
      {
        "name": "vnid",
        "type": "int",
        "doc": "Virtual network identifier, 1 to 16777215."
      },
      {
        "name": "name",
        "type": "string",
        "doc": "Name of the VN, for people (R37)."
      },
      {
        "name": "tenantId",
        "type": "string",
        "doc": "The tenant that owns the VN."
      },
      {
        "name": "service",
        "type": {
          "type": "enum",
          "name": "Service",
          "namespace": "nvo3.v1",
          "doc": "Forwarding service of a VN: l2 carries frames by MAC and VLAN, l3 carries packets by IP (R16, R50).",
          "symbols": [
            "l2",
            "l3"
          ],
          "default": "l3"
        },
        "doc": "l2 or l3."
      },
      {
        "name": "encapsulation",
        "type": {
          "type": "string",
          "values": [
            "vxlan",
            "nvgre",
            "mpls-gre"
          ]
        },
        "doc": "Data plane encapsulation: vxlan, nvgre or mpls-gre (R25)."
      },
      {
        "name": "policies",
        "type": {
          "type": "record",
          "name": "Policies",
          "namespace": "nvo3.v1",
          "doc": "Access and tunnel policies of a VN context (R50, R51), opaque to the NVA.",
          "fields": [
            {
              "name": "access",
              "type": {
                "type": "map",
                "values": "string"
              },
              "doc": "Attributes of the access path, by name.",
              "default": {}
            },
            {
              "name": "tunnel",
              "type": {
                "type": "map",
                "values": "string"
              },
              "doc": "Traffic-engineering attributes of the tunnels, by name.",
              "default": {}
            }
          ]
        },
        "doc": "Access and tunnel policies (R50)."
      }
    ]
  },
  VnMember: {
    "type": "record",
    "name": "VnMember",
    "namespace": "nvo3.v1",
    "doc": "Value of key member/<nveId> on a VN’s topic: an NVE of the VN (R35, R37).",
    "fields": [
      {
        "name": "nveId",
        "type": "string",
        "doc": "The NVE."
      },
      {
        "name": "mac",
        "type": "string",
        "doc": "Its underlay MAC, aa:bb:cc:dd:ee:ff."
      },
      {
        "name": "addresses",
        "type": {
          "type": "array",
          "items": "string"
        },
        "doc": "Its underlay IP addresses, preferred first."
      },
      {
        "name": "reachable",
        "type": "boolean",
        "doc": "False while disconnected or lapsed; mappings through it stay and wait for its return."
      }
    ]
  },
} as const;

export const snapshotSchemas = {
  SnapshotAttachment: {
    "type": "record",
    "name": "SnapshotAttachment",
    "namespace": "nvo3.v1.snapshot",
    "doc": "Where a tenant system is attached.",
    "fields": [
      {
        "name": "nve",
        "type": "int",
        "doc": "Place of the NVE among the NVEs of the snapshot, from 0."
      },
      {
        "name": "logicalInterface",
        "type": [
          "null",
          "string"
        ],
        "doc": "The access link at that NVE."
      },
      {
        "name": "state",
        "type": {
          "type": "enum",
          "name": "AttachmentState",
          "namespace": "nvo3.v1",
          "doc": "Two-phase attachment (RFC 8394): associated is in the tables but not forwarding, activated forwards (X5).",
          "symbols": [
            "associated",
            "activated"
          ],
          "default": "activated"
        },
        "doc": "associated or activated."
      }
    ]
  },
  SnapshotAwaited: {
    "type": "record",
    "name": "SnapshotAwaited",
    "namespace": "nvo3.v1.snapshot",
    "doc": "What a tenant system waits for: that another one passes an address to it.",
    "fields": [
      {
        "name": "from",
        "type": "string",
        "doc": "The other one, of the same tenant."
      },
      {
        "name": "revision",
        "type": "long",
        "doc": "The revision of its stream in which it passes the address."
      }
    ]
  },
  SnapshotConflict: {
    "type": "record",
    "name": "SnapshotConflict",
    "namespace": "nvo3.v1.snapshot",
    "doc": "An address that somebody else held when an answer was given.",
    "fields": [
      {
        "name": "vnid",
        "type": "int",
        "doc": "The VN."
      },
      {
        "name": "address",
        "type": "string",
        "doc": "The address."
      },
      {
        "name": "heldBy",
        "type": "string",
        "doc": "Who held it."
      }
    ]
  },
  SnapshotConnection: {
    "type": "record",
    "name": "SnapshotConnection",
    "namespace": "nvo3.v1.snapshot",
    "doc": "A binding and what the fold knows of it.",
    "fields": [
      {
        "name": "bid",
        "type": [
          "null",
          "int"
        ],
        "doc": "Its BID, if it has one."
      },
      {
        "name": "vnid",
        "type": "int",
        "doc": "Its VN."
      },
      {
        "name": "vlan",
        "type": [
          "null",
          "int"
        ],
        "doc": "In an L2 VN."
      },
      {
        "name": "ip",
        "type": [
          "null",
          "string"
        ],
        "doc": "Its IP, if it has one."
      },
      {
        "name": "lifetimeS",
        "type": [
          "null",
          "int"
        ],
        "doc": "Lifetime in seconds; null lasts until detached."
      },
      {
        "name": "position",
        "type": [
          "null",
          "long"
        ],
        "doc": "Position of its mapping record, 0 while it has none; null for an orphaned one."
      }
    ]
  },
  SnapshotContested: {
    "type": "record",
    "name": "SnapshotContested",
    "namespace": "nvo3.v1.snapshot",
    "doc": "An address that several tenant systems of a VN claim.",
    "fields": [
      {
        "name": "address",
        "type": "string",
        "doc": "MAC or IP."
      },
      {
        "name": "tsIds",
        "type": {
          "type": "array",
          "items": "string"
        },
        "doc": "Who claims it, in order of arrival; the first holds it."
      }
    ]
  },
  SnapshotDigest: {
    "type": "record",
    "name": "SnapshotDigest",
    "namespace": "nvo3.v1.snapshot",
    "doc": "The digest of a feed.",
    "fields": [
      {
        "name": "feed",
        "type": "string",
        "doc": "Key of the feed."
      },
      {
        "name": "position",
        "type": "long",
        "doc": "Of the change that made it so."
      },
      {
        "name": "digest",
        "type": "string",
        "doc": "16 hex digits."
      }
    ]
  },
  SnapshotFailure: {
    "type": "record",
    "name": "SnapshotFailure",
    "namespace": "nvo3.v1.snapshot",
    "doc": "A VN that a tenant system cannot reach through an NVE.",
    "fields": [
      {
        "name": "nveId",
        "type": "string",
        "doc": "The NVE."
      },
      {
        "name": "vnid",
        "type": [
          "null",
          "int"
        ],
        "doc": "The VN; null is all of them."
      }
    ]
  },
  SnapshotHeader: {
    "type": "record",
    "name": "SnapshotHeader",
    "namespace": "nvo3.v1.snapshot",
    "doc": "What a snapshot is of: the first block of its file.",
    "fields": [
      {
        "name": "logId",
        "type": "string",
        "doc": "UUID of the log that was folded."
      },
      {
        "name": "rulesVersion",
        "type": "int",
        "doc": "Version of the rules of the fold that the log is at."
      },
      {
        "name": "rulesRevision",
        "type": "long",
        "doc": "Revision of the stream that says so; -1 where it says nothing yet."
      },
      {
        "name": "position",
        "type": "long",
        "doc": "Everything up to this position of the log is in it, and nothing after."
      },
      {
        "name": "checkpoint",
        "type": "string",
        "doc": "Where the store goes on reading after that position."
      },
      {
        "name": "stream",
        "type": "string",
        "doc": "Stream of the event at the position: with the next two, what the log must have there."
      },
      {
        "name": "revision",
        "type": "long",
        "doc": "Revision of that event."
      },
      {
        "name": "eventId",
        "type": "string",
        "doc": "UUID of that event."
      },
      {
        "name": "keys",
        "type": "boolean",
        "doc": "Whether the Idempotency-Keys are in it: they are if a registrar took it."
      },
      {
        "name": "timeMs",
        "type": "long",
        "doc": "Time that the log vouches for, in milliseconds."
      },
      {
        "name": "timeNewest",
        "type": "long",
        "doc": "Recorded time up to which the clock that wrote last was heard, ms since the epoch."
      },
      {
        "name": "timeOther",
        "type": "long",
        "doc": "The same of the clock before that one, if the two are far apart; 0 without one."
      }
    ]
  },
  SnapshotKey: {
    "type": "record",
    "name": "SnapshotKey",
    "namespace": "nvo3.v1.snapshot",
    "doc": "An Idempotency-Key of the last 24 hours with its answer.",
    "fields": [
      {
        "name": "actor",
        "type": "string",
        "doc": "Whose key it is."
      },
      {
        "name": "key",
        "type": "string",
        "doc": "The key."
      },
      {
        "name": "requestDigest",
        "type": "string",
        "doc": "SHA-256 of the request in hex."
      },
      {
        "name": "recordedAt",
        "type": "long",
        "doc": "When its event was decided, ms since the epoch."
      },
      {
        "name": "position",
        "type": "long",
        "doc": "Position in the answer."
      },
      {
        "name": "revision",
        "type": "long",
        "doc": "Revision in the answer."
      },
      {
        "name": "effective",
        "type": "boolean",
        "doc": "Whether it counted."
      },
      {
        "name": "conflicts",
        "type": {
          "type": "array",
          "items": {
            "type": "record",
            "name": "SnapshotConflict",
            "namespace": "nvo3.v1.snapshot",
            "doc": "An address that somebody else held when an answer was given.",
            "fields": [
              {
                "name": "vnid",
                "type": "int",
                "doc": "The VN."
              },
              {
                "name": "address",
                "type": "string",
                "doc": "The address."
              },
              {
                "name": "heldBy",
                "type": "string",
                "doc": "Who held it."
              }
            ]
          }
        },
        "doc": "Addresses that others held."
      },
      {
        "name": "memberships",
        "type": {
          "type": "array",
          "items": "int"
        },
        "doc": "VNs that the tenant system was in."
      }
    ]
  },
  SnapshotNve: {
    "type": "record",
    "name": "SnapshotNve",
    "namespace": "nvo3.v1.snapshot",
    "doc": "An NVE of the fold.",
    "fields": [
      {
        "name": "nveId",
        "type": "string",
        "doc": "The NVE."
      },
      {
        "name": "state",
        "type": [
          "null",
          {
            "type": "record",
            "name": "SnapshotNveState",
            "namespace": "nvo3.v1.snapshot",
            "doc": "What an NVE said of itself, and how it is.",
            "fields": [
              {
                "name": "status",
                "type": {
                  "type": "string",
                  "values": [
                    "reachable",
                    "lapsed",
                    "disconnected",
                    "forgotten"
                  ]
                },
                "doc": "As the events left it."
              },
              {
                "name": "siteId",
                "type": "string",
                "doc": "Its site."
              },
              {
                "name": "mac",
                "type": "string",
                "doc": "Its MAC."
              },
              {
                "name": "addresses",
                "type": {
                  "type": "array",
                  "items": "string"
                },
                "doc": "Its underlay addresses."
              },
              {
                "name": "incarnation",
                "type": "long",
                "doc": "Of its last connect."
              },
              {
                "name": "leaseS",
                "type": [
                  "null",
                  "int"
                ],
                "doc": "Lease in seconds; null without one."
              },
              {
                "name": "identityChanges",
                "type": {
                  "type": "array",
                  "items": "long"
                },
                "doc": "Times at which it became another under one incarnation, ms since the epoch."
              }
            ]
          }
        ],
        "doc": "null if it has only been spoken of."
      },
      {
        "name": "revision",
        "type": "long",
        "doc": "Of its last event; -1 without one."
      },
      {
        "name": "position",
        "type": "long",
        "doc": "Of its last event; 0 without one."
      }
    ]
  },
  SnapshotNveState: {
    "type": "record",
    "name": "SnapshotNveState",
    "namespace": "nvo3.v1.snapshot",
    "doc": "What an NVE said of itself, and how it is.",
    "fields": [
      {
        "name": "status",
        "type": {
          "type": "string",
          "values": [
            "reachable",
            "lapsed",
            "disconnected",
            "forgotten"
          ]
        },
        "doc": "As the events left it."
      },
      {
        "name": "siteId",
        "type": "string",
        "doc": "Its site."
      },
      {
        "name": "mac",
        "type": "string",
        "doc": "Its MAC."
      },
      {
        "name": "addresses",
        "type": {
          "type": "array",
          "items": "string"
        },
        "doc": "Its underlay addresses."
      },
      {
        "name": "incarnation",
        "type": "long",
        "doc": "Of its last connect."
      },
      {
        "name": "leaseS",
        "type": [
          "null",
          "int"
        ],
        "doc": "Lease in seconds; null without one."
      },
      {
        "name": "identityChanges",
        "type": {
          "type": "array",
          "items": "long"
        },
        "doc": "Times at which it became another under one incarnation, ms since the epoch."
      }
    ]
  },
  SnapshotOracle: {
    "type": "record",
    "name": "SnapshotOracle",
    "namespace": "nvo3.v1.snapshot",
    "doc": "The registrar that owns the terms of a group.",
    "fields": [
      {
        "name": "group",
        "type": "string",
        "doc": "The group."
      },
      {
        "name": "oracleId",
        "type": "string",
        "doc": "UUID of the process."
      },
      {
        "name": "url",
        "type": "string",
        "doc": "Where it is reached."
      },
      {
        "name": "position",
        "type": "long",
        "doc": "Position of the event that made it the owner."
      },
      {
        "name": "revision",
        "type": "long",
        "doc": "Revision of that event."
      }
    ]
  },
  SnapshotTenantSystem: {
    "type": "record",
    "name": "SnapshotTenantSystem",
    "namespace": "nvo3.v1.snapshot",
    "doc": "A tenant system of the fold.",
    "fields": [
      {
        "name": "tsId",
        "type": "string",
        "doc": "The tenant system."
      },
      {
        "name": "name",
        "type": [
          "null",
          "string"
        ],
        "doc": "What its stream's name ends in, where that is not its id: another tenant had the id first."
      },
      {
        "name": "tenant",
        "type": "int",
        "doc": "Place of its tenant among the names of the snapshot so far, from 0."
      },
      {
        "name": "vmId",
        "type": "string",
        "doc": "The VM whose vNIC it is."
      },
      {
        "name": "mac",
        "type": "string",
        "doc": "Its MAC."
      },
      {
        "name": "attachments",
        "type": {
          "type": "array",
          "items": {
            "type": "record",
            "name": "SnapshotAttachment",
            "namespace": "nvo3.v1.snapshot",
            "doc": "Where a tenant system is attached.",
            "fields": [
              {
                "name": "nve",
                "type": "int",
                "doc": "Place of the NVE among the NVEs of the snapshot, from 0."
              },
              {
                "name": "logicalInterface",
                "type": [
                  "null",
                  "string"
                ],
                "doc": "The access link at that NVE."
              },
              {
                "name": "state",
                "type": {
                  "type": "enum",
                  "name": "AttachmentState",
                  "namespace": "nvo3.v1",
                  "doc": "Two-phase attachment (RFC 8394): associated is in the tables but not forwarding, activated forwards (X5).",
                  "symbols": [
                    "associated",
                    "activated"
                  ],
                  "default": "activated"
                },
                "doc": "associated or activated."
              }
            ]
          }
        },
        "doc": "Where it is."
      },
      {
        "name": "bindings",
        "type": {
          "type": "array",
          "items": {
            "type": "record",
            "name": "SnapshotConnection",
            "namespace": "nvo3.v1.snapshot",
            "doc": "A binding and what the fold knows of it.",
            "fields": [
              {
                "name": "bid",
                "type": [
                  "null",
                  "int"
                ],
                "doc": "Its BID, if it has one."
              },
              {
                "name": "vnid",
                "type": "int",
                "doc": "Its VN."
              },
              {
                "name": "vlan",
                "type": [
                  "null",
                  "int"
                ],
                "doc": "In an L2 VN."
              },
              {
                "name": "ip",
                "type": [
                  "null",
                  "string"
                ],
                "doc": "Its IP, if it has one."
              },
              {
                "name": "lifetimeS",
                "type": [
                  "null",
                  "int"
                ],
                "doc": "Lifetime in seconds; null lasts until detached."
              },
              {
                "name": "position",
                "type": [
                  "null",
                  "long"
                ],
                "doc": "Position of its mapping record, 0 while it has none; null for an orphaned one."
              }
            ]
          }
        },
        "doc": "Its connections to VNs."
      },
      {
        "name": "failures",
        "type": {
          "type": "array",
          "items": {
            "type": "record",
            "name": "SnapshotFailure",
            "namespace": "nvo3.v1.snapshot",
            "doc": "A VN that a tenant system cannot reach through an NVE.",
            "fields": [
              {
                "name": "nveId",
                "type": "string",
                "doc": "The NVE."
              },
              {
                "name": "vnid",
                "type": [
                  "null",
                  "int"
                ],
                "doc": "The VN; null is all of them."
              }
            ]
          }
        },
        "doc": "What it cannot reach."
      },
      {
        "name": "mobility",
        "type": "long",
        "doc": "Mobility sequence number."
      },
      {
        "name": "moves",
        "type": {
          "type": "array",
          "items": "long"
        },
        "doc": "Times of its last moves, ms since the epoch."
      },
      {
        "name": "place",
        "type": [
          "null",
          {
            "type": "array",
            "items": "string"
          }
        ],
        "doc": "NVEs that it was at when it was last counted as moved, where that is not the first of its attachments alone."
      },
      {
        "name": "awaits",
        "type": [
          "null",
          {
            "type": "record",
            "name": "SnapshotAwaited",
            "namespace": "nvo3.v1.snapshot",
            "doc": "What a tenant system waits for: that another one passes an address to it.",
            "fields": [
              {
                "name": "from",
                "type": "string",
                "doc": "The other one, of the same tenant."
              },
              {
                "name": "revision",
                "type": "long",
                "doc": "The revision of its stream in which it passes the address."
              }
            ]
          }
        ],
        "doc": "What its last event says that it waits for."
      },
      {
        "name": "revision",
        "type": "long",
        "doc": "Of its last event."
      },
      {
        "name": "position",
        "type": "long",
        "doc": "Of its last event."
      }
    ]
  },
  SnapshotTrailer: {
    "type": "record",
    "name": "SnapshotTrailer",
    "namespace": "nvo3.v1.snapshot",
    "doc": "How many entries of each kind came before: the last block of a whole file.",
    "fields": [
      {
        "name": "oracles",
        "type": "long",
        "doc": "Owners of terms."
      },
      {
        "name": "nves",
        "type": "long",
        "doc": "NVEs."
      },
      {
        "name": "vns",
        "type": "long",
        "doc": "VNs."
      },
      {
        "name": "names",
        "type": "long",
        "doc": "Names of tenants."
      },
      {
        "name": "tenantSystems",
        "type": "long",
        "doc": "Tenant systems."
      },
      {
        "name": "digests",
        "type": "long",
        "doc": "Digests of feeds."
      },
      {
        "name": "keys",
        "type": "long",
        "doc": "Idempotency-Keys."
      }
    ]
  },
  SnapshotVn: {
    "type": "record",
    "name": "SnapshotVn",
    "namespace": "nvo3.v1.snapshot",
    "doc": "A VN of the fold, with who is in it.",
    "fields": [
      {
        "name": "vnid",
        "type": "int",
        "doc": "Virtual network identifier."
      },
      {
        "name": "status",
        "type": {
          "type": "string",
          "values": [
            "alive",
            "deleted",
            "purged"
          ]
        },
        "doc": "As the events left it."
      },
      {
        "name": "tenantId",
        "type": "string",
        "doc": "Whose it is."
      },
      {
        "name": "name",
        "type": "string",
        "doc": "Its name."
      },
      {
        "name": "service",
        "type": {
          "type": "enum",
          "name": "Service",
          "namespace": "nvo3.v1",
          "doc": "Forwarding service of a VN: l2 carries frames by MAC and VLAN, l3 carries packets by IP (R16, R50).",
          "symbols": [
            "l2",
            "l3"
          ],
          "default": "l3"
        },
        "doc": "What it carries."
      },
      {
        "name": "encapsulation",
        "type": {
          "type": "string",
          "values": [
            "vxlan",
            "nvgre",
            "mpls-gre"
          ]
        },
        "doc": "Of its packets in the underlay."
      },
      {
        "name": "policies",
        "type": {
          "type": "record",
          "name": "Policies",
          "namespace": "nvo3.v1",
          "doc": "Access and tunnel policies of a VN context (R50, R51), opaque to the NVA.",
          "fields": [
            {
              "name": "access",
              "type": {
                "type": "map",
                "values": "string"
              },
              "doc": "Attributes of the access path, by name.",
              "default": {}
            },
            {
              "name": "tunnel",
              "type": {
                "type": "map",
                "values": "string"
              },
              "doc": "Traffic-engineering attributes of the tunnels, by name.",
              "default": {}
            }
          ]
        },
        "doc": "Access and tunnel policies."
      },
      {
        "name": "deletedAt",
        "type": [
          "null",
          "long"
        ],
        "doc": "When it was deleted, ms since the epoch; null while it lives."
      },
      {
        "name": "deletedAtMs",
        "type": [
          "null",
          "long"
        ],
        "doc": "The same by the time that the log vouches for."
      },
      {
        "name": "released",
        "type": "boolean",
        "doc": "An operator has said that its VNID is to be free at once."
      },
      {
        "name": "revision",
        "type": "long",
        "doc": "Of its last event."
      },
      {
        "name": "position",
        "type": "long",
        "doc": "Of its last event."
      },
      {
        "name": "incarnation",
        "type": "long",
        "doc": "Position of the event that created it, this time."
      },
      {
        "name": "contextPosition",
        "type": "long",
        "doc": "Position of its context record."
      },
      {
        "name": "members",
        "type": {
          "type": "array",
          "items": {
            "type": "record",
            "name": "SnapshotVnMember",
            "namespace": "nvo3.v1.snapshot",
            "doc": "An NVE in a VN.",
            "fields": [
              {
                "name": "nve",
                "type": "int",
                "doc": "Its place among the NVEs of the snapshot, from 0."
              },
              {
                "name": "since",
                "type": "long",
                "doc": "Position at which it joined."
              },
              {
                "name": "position",
                "type": "long",
                "doc": "Position of its member record."
              }
            ]
          }
        },
        "doc": "NVEs in it."
      },
      {
        "name": "contestedMacs",
        "type": {
          "type": "array",
          "items": {
            "type": "record",
            "name": "SnapshotContested",
            "namespace": "nvo3.v1.snapshot",
            "doc": "An address that several tenant systems of a VN claim.",
            "fields": [
              {
                "name": "address",
                "type": "string",
                "doc": "MAC or IP."
              },
              {
                "name": "tsIds",
                "type": {
                  "type": "array",
                  "items": "string"
                },
                "doc": "Who claims it, in order of arrival; the first holds it."
              }
            ]
          }
        },
        "doc": "MACs claimed more than once."
      },
      {
        "name": "contestedIps",
        "type": {
          "type": "array",
          "items": "nvo3.v1.snapshot.SnapshotContested"
        },
        "doc": "IPs claimed more than once."
      }
    ]
  },
  SnapshotVnMember: {
    "type": "record",
    "name": "SnapshotVnMember",
    "namespace": "nvo3.v1.snapshot",
    "doc": "An NVE in a VN.",
    "fields": [
      {
        "name": "nve",
        "type": "int",
        "doc": "Its place among the NVEs of the snapshot, from 0."
      },
      {
        "name": "since",
        "type": "long",
        "doc": "Position at which it joined."
      },
      {
        "name": "position",
        "type": "long",
        "doc": "Position of its member record."
      }
    ]
  },
} as const;

export const commandSchemas = {
  AttachCommand: {
    "type": "record",
    "name": "AttachCommand",
    "namespace": "nvo3.v1",
    "doc": "Attach a tenant system to an NVE, or move it there (R45, R55).",
    "fields": [
      {
        "name": "nveId",
        "type": "string",
        "doc": "The NVE that sends the command; it speaks for itself only."
      },
      {
        "name": "tsId",
        "type": "string",
        "doc": "The tenant system: one vNIC of one VM; the key of the record (R1)."
      },
      {
        "name": "tenantId",
        "type": "string",
        "doc": "The tenant that it belongs to (R44)."
      },
      {
        "name": "vmId",
        "type": "string",
        "doc": "The VM whose vNIC it is (R1)."
      },
      {
        "name": "mac",
        "type": "string",
        "doc": "Its unicast MAC, in any usual spelling."
      },
      {
        "name": "logicalInterface",
        "type": [
          "null",
          "string"
        ],
        "doc": "Access link at the NVE; never sent to a remote NVE (R11).",
        "default": null
      },
      {
        "name": "bindings",
        "type": [
          "null",
          {
            "type": "array",
            "items": {
              "type": "record",
              "name": "CommandBinding",
              "namespace": "nvo3.v1",
              "doc": "A line of a registration, as an NVE gives it; null is a field that is absent.",
              "fields": [
                {
                  "name": "bid",
                  "type": [
                    "null",
                    "int"
                  ],
                  "doc": "Binding identifier, 1 to 65535; null if the line gives none (R18).",
                  "default": null
                },
                {
                  "name": "vnid",
                  "type": [
                    "null",
                    "int"
                  ],
                  "doc": "Virtual network identifier, 1 to 16777215; needed the first time.",
                  "default": null
                },
                {
                  "name": "vlan",
                  "type": [
                    "null",
                    "int"
                  ],
                  "doc": "VLAN id 1 to 4094, in an L2 VN; null if the line gives none: of a new binding, frames without a tag.",
                  "default": null
                },
                {
                  "name": "ip",
                  "type": [
                    "null",
                    "string"
                  ],
                  "doc": "IP address, IPv4 or IPv6; needed the first time in an L3 VN.",
                  "default": null
                },
                {
                  "name": "lifetimeS",
                  "type": [
                    "null",
                    "int"
                  ],
                  "doc": "Seconds until it lapses unless renewed; 0 de-registers, null asks for no lifetime (R24a).",
                  "default": null
                }
              ]
            }
          }
        ],
        "doc": "The whole set; null leaves it as it is, an empty list leaves none.",
        "default": null
      },
      {
        "name": "state",
        "type": [
          "null",
          {
            "type": "string",
            "values": [
              "associated",
              "activated"
            ]
          }
        ],
        "doc": "Two-phase attachment; null is activated (X5).",
        "default": null
      },
      {
        "name": "placement",
        "type": [
          "null",
          {
            "type": "string",
            "values": [
              "move",
              "add"
            ]
          }
        ],
        "doc": "add keeps the other NVEs, move leaves them; null is move.",
        "default": null
      },
      {
        "name": "ifRevision",
        "type": [
          "null",
          "long"
        ],
        "doc": "Refuse unless the stream is at this revision, -1 if it must not exist; null asks for none (X9).",
        "default": null
      }
    ]
  },
  ChangeMacCommand: {
    "type": "record",
    "name": "ChangeMacCommand",
    "namespace": "nvo3.v1",
    "doc": "Change the MAC of a tenant system in all its VNs (R14).",
    "fields": [
      {
        "name": "tsId",
        "type": "string",
        "doc": "The tenant system: one vNIC of one VM; the key of the record (R1)."
      },
      {
        "name": "tenantId",
        "type": [
          "null",
          "string"
        ],
        "doc": "Its tenant; null where no other tenant's tenant system of that id could be meant.",
        "default": null
      },
      {
        "name": "mac",
        "type": "string",
        "doc": "The new unicast MAC, in any usual spelling."
      },
      {
        "name": "ifRevision",
        "type": [
          "null",
          "long"
        ],
        "doc": "Refuse unless the stream is at this revision, -1 if it must not exist; null asks for none (X9).",
        "default": null
      }
    ]
  },
  CommandOutcome: {
    "type": "record",
    "name": "CommandOutcome",
    "namespace": "nvo3.v1",
    "doc": "What became of a command: an answer, or a refusal if code is set. The same as the line that NDJSON would have answered.",
    "fields": [
      {
        "name": "idempotencyKey",
        "type": "string",
        "doc": "The key under which the command came."
      },
      {
        "name": "correlationId",
        "type": "string",
        "doc": "The correlation id under which the command came."
      },
      {
        "name": "status",
        "type": "int",
        "doc": "The HTTP status of the same answer: 200, 202 if it is recorded but not effective, or that of the refusal."
      },
      {
        "name": "position",
        "type": [
          "null",
          "long"
        ],
        "doc": "Log position of the last event of what the command is about; null in a refusal.",
        "default": null
      },
      {
        "name": "revision",
        "type": [
          "null",
          "long"
        ],
        "doc": "Revision of its stream, for ifRevision; null in a refusal.",
        "default": null
      },
      {
        "name": "effective",
        "type": [
          "null",
          "boolean"
        ],
        "doc": "False if it is recorded but does not count; null in a refusal.",
        "default": null
      },
      {
        "name": "conflicts",
        "type": {
          "type": "array",
          "items": {
            "type": "record",
            "name": "OutcomeConflict",
            "namespace": "nvo3.v1",
            "doc": "An address that the command claims and another tenant system holds (X2).",
            "fields": [
              {
                "name": "vnid",
                "type": "int",
                "doc": "Virtual network identifier, 1 to 16777215."
              },
              {
                "name": "address",
                "type": "string",
                "doc": "The MAC, IP or VLAN and MAC."
              },
              {
                "name": "heldBy",
                "type": [
                  "null",
                  "string"
                ],
                "doc": "Who holds it, within one tenant only; otherwise null.",
                "default": null
              }
            ]
          }
        },
        "doc": "Addresses that others hold.",
        "default": []
      },
      {
        "name": "memberships",
        "type": {
          "type": "array",
          "items": "int"
        },
        "doc": "VNs that the tenant system is in, by VNID.",
        "default": []
      },
      {
        "name": "code",
        "type": [
          "null",
          "string"
        ],
        "doc": "Why it was refused, from the closed list of codes; null in an answer.",
        "default": null
      },
      {
        "name": "detail",
        "type": [
          "null",
          "string"
        ],
        "doc": "The same for people; null in an answer.",
        "default": null
      },
      {
        "name": "field",
        "type": [
          "null",
          "string"
        ],
        "doc": "The field at fault, as in the command; null if there is none.",
        "default": null
      },
      {
        "name": "received",
        "type": [
          "null",
          "string"
        ],
        "doc": "The value at fault as JSON, cut where it is long; null if there is none.",
        "default": null
      },
      {
        "name": "row",
        "type": [
          "null",
          "string"
        ],
        "doc": "The row of the requirements that refuses it; null if there is none.",
        "default": null
      },
      {
        "name": "expected",
        "type": [
          "null",
          "string"
        ],
        "doc": "What would have been in order, as JSON; null if that is no value.",
        "default": null
      },
      {
        "name": "actual",
        "type": [
          "null",
          "string"
        ],
        "doc": "What was found instead, as JSON; null if that is no value.",
        "default": null
      },
      {
        "name": "done",
        "type": [
          "null",
          "int"
        ],
        "doc": "Of a command about many tenant systems (keepOnly): how many it has changed; null in every other outcome.",
        "default": null
      },
      {
        "name": "remaining",
        "type": [
          "null",
          "int"
        ],
        "doc": "Of such a command: how many it has still to change, beyond its bound or refused; send it again under another key. null in every other outcome.",
        "default": null
      }
    ]
  },
  ConnectNveCommand: {
    "type": "record",
    "name": "ConnectNveCommand",
    "namespace": "nvo3.v1",
    "doc": "Connect notification of an NVE; the key of the record is nve/<nveId>.",
    "fields": [
      {
        "name": "nveId",
        "type": "string",
        "doc": "The NVE that sends the command; it speaks for itself only."
      },
      {
        "name": "siteId",
        "type": "string",
        "doc": "The site whose edge it is (R2)."
      },
      {
        "name": "mac",
        "type": "string",
        "doc": "Its underlay MAC, in any usual spelling."
      },
      {
        "name": "addresses",
        "type": {
          "type": "array",
          "items": "string"
        },
        "doc": "Its underlay IP addresses, 1 to 16, preferred first."
      },
      {
        "name": "incarnation",
        "type": [
          "null",
          "long"
        ],
        "doc": "Grows with every restart of the NVE; null gives none.",
        "default": null
      },
      {
        "name": "leaseS",
        "type": [
          "null",
          "int"
        ],
        "doc": "Seconds without heartbeat until it counts as unreachable; null is no lease.",
        "default": null
      },
      {
        "name": "ifRevision",
        "type": [
          "null",
          "long"
        ],
        "doc": "Refuse unless the stream is at this revision, -1 if it must not exist; null asks for none (X9).",
        "default": null
      }
    ]
  },
  ConnectionFailureCommand: {
    "type": "record",
    "name": "ConnectionFailureCommand",
    "namespace": "nvo3.v1",
    "doc": "A tenant system can no longer reach a VN through an NVE; attaching there again clears it (R56).",
    "fields": [
      {
        "name": "tsId",
        "type": "string",
        "doc": "The tenant system: one vNIC of one VM; the key of the record (R1)."
      },
      {
        "name": "tenantId",
        "type": [
          "null",
          "string"
        ],
        "doc": "Its tenant; null where no other tenant's tenant system of that id could be meant.",
        "default": null
      },
      {
        "name": "nveId",
        "type": "string",
        "doc": "The NVE that sends the command; it speaks for itself only."
      },
      {
        "name": "vnid",
        "type": [
          "null",
          "int"
        ],
        "doc": "The VN, 1 to 16777215; null means all of them.",
        "default": null
      },
      {
        "name": "ifRevision",
        "type": [
          "null",
          "long"
        ],
        "doc": "Refuse unless the stream is at this revision, -1 if it must not exist; null asks for none (X9).",
        "default": null
      }
    ]
  },
  DeregisterBindingCommand: {
    "type": "record",
    "name": "DeregisterBindingCommand",
    "namespace": "nvo3.v1",
    "doc": "De-register a binding by its BID (R22).",
    "fields": [
      {
        "name": "tsId",
        "type": "string",
        "doc": "The tenant system: one vNIC of one VM; the key of the record (R1)."
      },
      {
        "name": "tenantId",
        "type": [
          "null",
          "string"
        ],
        "doc": "Its tenant; null where no other tenant's tenant system of that id could be meant.",
        "default": null
      },
      {
        "name": "bid",
        "type": "int",
        "doc": "Its BID, 1 to 65535; 0 is the binding without one."
      },
      {
        "name": "ifRevision",
        "type": [
          "null",
          "long"
        ],
        "doc": "Refuse unless the stream is at this revision, -1 if it must not exist; null asks for none (X9).",
        "default": null
      }
    ]
  },
  DetachCommand: {
    "type": "record",
    "name": "DetachCommand",
    "namespace": "nvo3.v1",
    "doc": "Detach a tenant system from an NVE.",
    "fields": [
      {
        "name": "nveId",
        "type": "string",
        "doc": "The NVE that sends the command; it speaks for itself only."
      },
      {
        "name": "tsId",
        "type": "string",
        "doc": "The tenant system: one vNIC of one VM; the key of the record (R1)."
      },
      {
        "name": "tenantId",
        "type": [
          "null",
          "string"
        ],
        "doc": "Its tenant; null where no other tenant's tenant system of that id could be meant.",
        "default": null
      },
      {
        "name": "ifRevision",
        "type": [
          "null",
          "long"
        ],
        "doc": "Refuse unless the stream is at this revision, -1 if it must not exist; null asks for none (X9).",
        "default": null
      }
    ]
  },
  DisconnectNveCommand: {
    "type": "record",
    "name": "DisconnectNveCommand",
    "namespace": "nvo3.v1",
    "doc": "Disconnect an NVE: unreachable at once, its attachments stay; the key of the record is nve/<nveId>.",
    "fields": [
      {
        "name": "nveId",
        "type": "string",
        "doc": "The NVE that sends the command; it speaks for itself only."
      },
      {
        "name": "forget",
        "type": [
          "null",
          "boolean"
        ],
        "doc": "True would remove it, which is for operators; null is false.",
        "default": null
      },
      {
        "name": "ifRevision",
        "type": [
          "null",
          "long"
        ],
        "doc": "Refuse unless the stream is at this revision, -1 if it must not exist; null asks for none (X9).",
        "default": null
      }
    ]
  },
  KeepOnlyCommand: {
    "type": "record",
    "name": "KeepOnlyCommand",
    "namespace": "nvo3.v1",
    "doc": "These are all the tenant systems that the NVE has: detach from it what is not among them. Send nothing else about tenant systems until its outcome is there.",
    "fields": [
      {
        "name": "nveId",
        "type": "string",
        "doc": "The NVE that sends the command; it speaks for itself only."
      },
      {
        "name": "incarnation",
        "type": "long",
        "doc": "The incarnation that it connected with, 0 where it gave none; any other than its present one is refused."
      },
      {
        "name": "tenantSystems",
        "type": {
          "type": "array",
          "items": {
            "type": "record",
            "name": "HeldTenantSystem",
            "namespace": "nvo3.v1",
            "doc": "A tenant system that an NVE has.",
            "fields": [
              {
                "name": "tsId",
                "type": "string",
                "doc": "The tenant system: one vNIC of one VM (R1)."
              },
              {
                "name": "tenantId",
                "type": [
                  "null",
                  "string"
                ],
                "doc": "Its tenant; null is every tenant’s of that id.",
                "default": null
              }
            ]
          }
        },
        "doc": "All that it has, up to 10,000; a command has at most 64 KiB. A device with more says it over REST."
      }
    ]
  },
  PassAddressCommand: {
    "type": "record",
    "name": "PassAddressCommand",
    "namespace": "nvo3.v1",
    "doc": "Pass an IP, the MAC or both from one tenant system to another of the same tenant, in one change; or exchange them (R13, X2). The NVE of the taker sends it.",
    "fields": [
      {
        "name": "tsId",
        "type": "string",
        "doc": "The tenant system that has the address (R1)."
      },
      {
        "name": "tenantId",
        "type": [
          "null",
          "string"
        ],
        "doc": "The tenant of both; null where no other tenant's tenant system of the taker's id could be meant.",
        "default": null
      },
      {
        "name": "to",
        "type": "string",
        "doc": "The tenant system that takes it, at the NVE that sends this; the key of the record."
      },
      {
        "name": "vnid",
        "type": [
          "null",
          "int"
        ],
        "doc": "The VN of the IP; needed with it.",
        "default": null
      },
      {
        "name": "ip",
        "type": [
          "null",
          "string"
        ],
        "doc": "The IP that passes; null where only the MAC does.",
        "default": null
      },
      {
        "name": "forIp",
        "type": [
          "null",
          "string"
        ],
        "doc": "An IP of the taker in that VN, which goes the other way; null where none does.",
        "default": null
      },
      {
        "name": "mac",
        "type": [
          "null",
          "string"
        ],
        "doc": "The MAC of the holder, where it passes too.",
        "default": null
      },
      {
        "name": "forMac",
        "type": [
          "null",
          "string"
        ],
        "doc": "The MAC that the holder has from then on; null is the taker's former one, so that the two are exchanged.",
        "default": null
      },
      {
        "name": "bid",
        "type": [
          "null",
          "int"
        ],
        "doc": "BID of the taker's binding, 1 to 65535; null is that of the holder's, where the taker has none of it.",
        "default": null
      },
      {
        "name": "vlan",
        "type": [
          "null",
          "int"
        ],
        "doc": "VLAN of the taker's binding; null is the one by which it is in that VN, or else the holder's.",
        "default": null
      },
      {
        "name": "lifetimeS",
        "type": [
          "null",
          "int"
        ],
        "doc": "Lifetime of the taker's binding in seconds; null is that of the holder's.",
        "default": null
      },
      {
        "name": "ifRevision",
        "type": [
          "null",
          "long"
        ],
        "doc": "Refuse unless the holder's stream is at this revision; null asks for none (X9).",
        "default": null
      }
    ]
  },
  RegisterBindingCommand: {
    "type": "record",
    "name": "RegisterBindingCommand",
    "namespace": "nvo3.v1",
    "doc": "Register or renew one binding by its BID (R21, R22).",
    "fields": [
      {
        "name": "tsId",
        "type": "string",
        "doc": "The tenant system: one vNIC of one VM; the key of the record (R1)."
      },
      {
        "name": "tenantId",
        "type": [
          "null",
          "string"
        ],
        "doc": "Its tenant; null where no other tenant's tenant system of that id could be meant.",
        "default": null
      },
      {
        "name": "bid",
        "type": "int",
        "doc": "Its BID, 1 to 65535; 0 is the binding without one."
      },
      {
        "name": "vnid",
        "type": [
          "null",
          "int"
        ],
        "doc": "Virtual network identifier, 1 to 16777215; needed the first time.",
        "default": null
      },
      {
        "name": "vlan",
        "type": [
          "null",
          "int"
        ],
        "doc": "VLAN id 1 to 4094, in an L2 VN; null if the line gives none.",
        "default": null
      },
      {
        "name": "ip",
        "type": [
          "null",
          "string"
        ],
        "doc": "IP address, IPv4 or IPv6; needed the first time in an L3 VN.",
        "default": null
      },
      {
        "name": "lifetimeS",
        "type": [
          "null",
          "int"
        ],
        "doc": "Seconds until it lapses unless renewed; 0 de-registers, null asks for no lifetime (R24a).",
        "default": null
      },
      {
        "name": "ifRevision",
        "type": [
          "null",
          "long"
        ],
        "doc": "Refuse unless the stream is at this revision, -1 if it must not exist; null asks for none (X9).",
        "default": null
      }
    ]
  },
  RegisterBindingsCommand: {
    "type": "record",
    "name": "RegisterBindingsCommand",
    "namespace": "nvo3.v1",
    "doc": "Register, change or renew several bindings, all or nothing (R20).",
    "fields": [
      {
        "name": "tsId",
        "type": "string",
        "doc": "The tenant system: one vNIC of one VM; the key of the record (R1)."
      },
      {
        "name": "tenantId",
        "type": [
          "null",
          "string"
        ],
        "doc": "Its tenant; null where no other tenant's tenant system of that id could be meant.",
        "default": null
      },
      {
        "name": "bindings",
        "type": {
          "type": "array",
          "items": {
            "type": "record",
            "name": "CommandBinding",
            "namespace": "nvo3.v1",
            "doc": "A line of a registration, as an NVE gives it; null is a field that is absent.",
            "fields": [
              {
                "name": "bid",
                "type": [
                  "null",
                  "int"
                ],
                "doc": "Binding identifier, 1 to 65535; null if the line gives none (R18).",
                "default": null
              },
              {
                "name": "vnid",
                "type": [
                  "null",
                  "int"
                ],
                "doc": "Virtual network identifier, 1 to 16777215; needed the first time.",
                "default": null
              },
              {
                "name": "vlan",
                "type": [
                  "null",
                  "int"
                ],
                "doc": "VLAN id 1 to 4094, in an L2 VN; null if the line gives none: of a new binding, frames without a tag.",
                "default": null
              },
              {
                "name": "ip",
                "type": [
                  "null",
                  "string"
                ],
                "doc": "IP address, IPv4 or IPv6; needed the first time in an L3 VN.",
                "default": null
              },
              {
                "name": "lifetimeS",
                "type": [
                  "null",
                  "int"
                ],
                "doc": "Seconds until it lapses unless renewed; 0 de-registers, null asks for no lifetime (R24a).",
                "default": null
              }
            ]
          }
        },
        "doc": "One line per binding."
      },
      {
        "name": "ifRevision",
        "type": [
          "null",
          "long"
        ],
        "doc": "Refuse unless the stream is at this revision, -1 if it must not exist; null asks for none (X9).",
        "default": null
      }
    ]
  },
} as const;
