// The stock of the shop (Node.js), recorded by Microsoft's applicationinsights: `node stock.js PORT`.
"use strict";

const insights = require("applicationinsights");

insights.setup().start();

// Only now: what is loaded before is not recorded.
const http = require("http");

const ask = (url) =>
  new Promise((resolve, reject) => {
    http.get(url, (answer) => answer.on("end", resolve).resume()).on("error", reject);
  });

// Answers /stock/N, for which it asks the URL in `ask`, if there is one; nothing is left of number 0.
const server = http.createServer(async (request, response) => {
  const { pathname, searchParams } = new URL(request.url, "http://localhost");
  const number = Number(pathname.split("/").pop());
  try {
    if (number === 0) {
      throw new RangeError("nothing is left of 0");
    }
    if (searchParams.has("ask")) {
      await ask(searchParams.get("ask"));
    }
    insights.defaultClient.trackTrace({ message: `${number} are left` });
    insights.defaultClient.trackMetric({ name: "left", value: number });
  } catch (error) {
    insights.defaultClient.trackException({ exception: error });
    response.statusCode = 500;
  }
  response.end();
});

process.on("SIGTERM", async () => {
  server.close();
  await insights.defaultClient.flush();
  await insights.defaultClient.shutdown();
  process.exit(0);
});
server.listen(Number(process.argv[2]), "127.0.0.1");
