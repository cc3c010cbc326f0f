"""Verifies deliveries with the official libraries. Input: JSON {secrets, headers, body}, one a line; every secret has to
verify it, and no changed byte may. Prints how many were verified."""

import base64
import json
import sys

import standardwebhooks.webhooks
import svix.webhooks

verified = 0
for line in sys.stdin:
    delivery = json.loads(line)
    body = base64.b64decode(delivery["body"])
    for secret in delivery["secrets"]:
        for library in (standardwebhooks.webhooks, svix.webhooks):
            webhook = library.Webhook(secret)
            webhook.verify(body, delivery["headers"])
            changed = bytes([body[0] ^ 1]) + body[1:]
            late = dict(delivery["headers"], **{"webhook-timestamp": "1700000000"})
            for wrong_body, headers in ((changed, delivery["headers"]), (body, late)):
                try:
                    webhook.verify(wrong_body, headers)
                except library.WebhookVerificationError:
                    continue
                sys.exit(f"{library.__name__} took what was not signed")
            verified += 1
print(verified)
