import { run } from "./kite.mjs";

run({
  handle: {
    "{{name}}.hello": (data, kite) => {
      const to = data?.to ?? "world";
      kite.publish("{{name}}.said", { to });
      return { text: `hello, ${to}` };
    },
  },
  on: {
    "{{name}}.said": (event) => console.log(`said hello to ${event.data.to}`),
  },
});
