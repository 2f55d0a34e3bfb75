// Shows what a push message says, opens its page at a tap, and keeps the subscription alive.
"use strict";
const at = (path) => new URL(path, self.registration.scope);
const OWN = "push/own"; // under which push.js keeps the subscription

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("push", (event) => {
  let message = {};
  try {
    message = event.data.json();
  } catch {
    // a browser asks for a notification for each push, whatever came
  }
  event.waitUntil(show(message));
});

async function show(message) {
  await self.registration.showNotification(message.title || at("").host, {
    body: message.body || "",
    lang: message.lang || "",
    tag: message.tag || "",
    icon: at("app-icon-192.png").href,
    data: { link: (own(message.url || "") || at("")).href },
  });
  // The browser's answer to the first message confirms the sign-up; a tap does it where this fails.
  const link = message.confirm && own(message.confirm);
  if (link) await send(link, { confirm: "yes" }).catch(() => undefined);
}

// An address of this site, or null: nothing else is opened or asked.
function own(path) {
  const address = at(path);
  return address.origin === self.location.origin ? address : null;
}

const send = (address, fields) =>
  fetch(address, { method: "POST", body: new URLSearchParams(fields), credentials: "omit", cache: "no-store" });

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(open(event.notification.data.link));
});

async function open(link) {
  const windows = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  const there = windows.find((each) => each.url === link);
  return there ? there.focus() : self.clients.openWindow(link);
}

self.addEventListener("pushsubscriptionchange", (event) => event.waitUntil(renew(event.newSubscription)));

async function renew(subscription) {
  const cache = await caches.open("push");
  const found = await cache.match(at(OWN));
  if (!found) return;
  const kept = await found.json();
  let answer = null;
  try {
    const current = subscription || (await self.registration.pushManager.subscribe({
      userVisibleOnly: true,
      applicationServerKey: kept.key,
    }));
    kept.before = kept.subscription;
    kept.subscription = current.toJSON();
    answer = await send(at("push/renew"), {
      old: JSON.stringify(kept.before),
      subscription: JSON.stringify(kept.subscription),
    });
  } catch {
    // told below
  }
  if (answer && answer.ok) {
    await cache.put(at(OWN), new Response(JSON.stringify(kept)));
    return;
  }
  // Nobody stops getting alerts without being told.
  await self.registration.showNotification(kept.stopped.title, {
    body: kept.stopped.body,
    lang: kept.stopped.lang,
    tag: "stopped",
    icon: at("app-icon-192.png").href,
    data: { link: at("push").href },
  });
}
