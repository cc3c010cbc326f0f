// As verify.py, with the library for JavaScript.
import { createInterface } from "node:readline";
import { createRequire } from "node:module";

const { Webhook } = createRequire(process.argv[2] + "/")("standardwebhooks");
let verified = 0;
for await (const line of createInterface({ input: process.stdin })) {
  const { secrets, headers, body } = JSON.parse(line);
  const text = Buffer.from(body, "base64").toString("utf8");
  for (const secret of secrets) {
    const webhook = new Webhook(secret);
    webhook.verify(text, headers);
    let refused = false;
    try {
      webhook.verify(text + " ", headers);
    } catch {
      refused = true;
    }
    if (!refused) throw new Error("it took what was not signed");
    verified += 1;
  }
}
console.log(verified);
