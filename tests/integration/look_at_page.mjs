// Opens a page in Debian's chromium without a screen and prints what it shows, for dashboard_pgtest.cpp.
//   node look_at_page.mjs PROFILE_FOLDER WIDTH URL STEP...
// A step is a JavaScript expression, asked in the page again and again until it is true; "reload" loads the page anew. Prints
// a line "step N" after each, and at the end one line of JSON: {"value": the last step's, "complaints": what the browser
// says of errors and of the page's policy}. Through a pipe, so that no port is open.
import { spawn } from 'node:child_process';

const [profile, width, url, ...steps] = process.argv.slice(2);
const patience = 60000;
const browser = spawn('chromium', [
  '--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run', '--disable-background-networking',
  '--disable-extensions', '--remote-debugging-pipe', `--user-data-dir=${profile}`, 'about:blank',
], { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
const end = (status) => {
  browser.kill('SIGKILL');
  process.exit(status);
};
browser.on('error', (problem) => {
  console.log(`chromium does not start: ${problem.message}; ./dev test installs it`);
  process.exit(1);
});
browser.on('exit', (status) => {
  console.log(`chromium ended with ${status}`);
  process.exit(1);
});

const complaints = [];
const asked = new Map();
let received = '';
let last = 0;
browser.stdio[4].on('data', (bytes) => {
  received += bytes;
  for (let at = received.indexOf('\0'); at >= 0; at = received.indexOf('\0')) {
    const message = JSON.parse(received.slice(0, at));
    received = received.slice(at + 1);
    if (asked.has(message.id)) asked.get(message.id)(message);
    asked.delete(message.id);
    const entry = message.params?.entry;
    if (message.method === 'Log.entryAdded' && entry.level === 'error') complaints.push(entry.text);
    if (message.method === 'Runtime.exceptionThrown') complaints.push(JSON.stringify(message.params.exceptionDetails));
  }
});
const call = (method, params = {}, sessionId = undefined) => new Promise((answer) => {
  asked.set(++last, answer);
  browser.stdio[3].write(JSON.stringify({ id: last, method, params, sessionId }) + '\0');
});

const targets = (await call('Target.getTargets')).result.targetInfos;
const { targetId } = targets.find((each) => each.type === 'page');
const session = (await call('Target.attachToTarget', { targetId, flatten: true })).result.sessionId;
const page = (method, params) => call(method, params, session);
await page('Log.enable');
await page('Runtime.enable');
await page('Emulation.setDeviceMetricsOverride', { width: Number(width), height: 800, deviceScaleFactor: 1, mobile: Number(width) < 500 });
await page('Page.navigate', { url });

let value = null;
for (const [index, step] of steps.entries()) {
  if (step === 'reload') {
    await page('Page.reload');
    continue;
  }
  const deadline = Date.now() + patience;
  for (;;) {
    const answer = (await page('Runtime.evaluate', { expression: step, returnByValue: true, awaitPromise: true })).result;
    value = answer?.result?.value;
    if (value) break;
    if (Date.now() > deadline) {
      const shown = (await page('Runtime.evaluate', { expression: 'document.body.innerText' })).result?.result?.value;
      console.log(`step ${index + 1} did not come true: ${step}\n${JSON.stringify(answer)}\n${shown}\n${complaints.join('\n')}`);
      end(1);
    }
    await new Promise((next) => setTimeout(next, 50));
  }
  console.log(`step ${index + 1}`);
}
console.log(JSON.stringify({ value, complaints }));
end(0);
