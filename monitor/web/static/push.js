// Subscribes this browser to alerts, after a tap and not before; shows and ends what it is subscribed to.
(() => {
  "use strict";
  const page = document.getElementById("push");
  if (!page) return;
  const form = page.querySelector("form");
  const button = form.querySelector("button[type=submit]");
  const mine = document.getElementById("push-mine");
  const { worker, scope, key } = page.dataset;

  const say = (name) => {
    for (const each of page.querySelectorAll("[data-state]")) each.hidden = each.dataset.state !== name;
  };
  const send = (path, fields) =>
    fetch(scope + path, { method: "POST", body: new URLSearchParams(fields), credentials: "same-origin" });
  const bytes = (text) =>
    Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (each) => each.charCodeAt(0));
  const fits = (subscription) => {
    const used = subscription.options && subscription.options.applicationServerKey;
    if (!used) return true;
    const wanted = bytes(key);
    return new Uint8Array(used).every((each, index) => each === wanted[index]);
  };

  const supported = "serviceWorker" in navigator && "PushManager" in window && "Notification" in window;
  if (!supported) {
    const apple = /iPad|iPhone|iPod/.test(navigator.userAgent)
      || (navigator.platform === "MacIntel" && navigator.maxTouchPoints > 1);
    say(apple ? "apple" : "unsupported");
    form.hidden = true;
    return;
  }

  const find = async () => {
    const registration = await navigator.serviceWorker.getRegistration(scope);
    return registration ? registration.pushManager.getSubscription() : null;
  };

  // For the service worker, which has to renew a subscription when no page is open.
  const keep = async (subscription) => {
    const cache = await caches.open("push");
    const { title, body } = page.dataset;
    const stopped = { title, body, lang: document.documentElement.lang };
    const kept = JSON.stringify({ subscription: subscription.toJSON(), key, stopped });
    await cache.put(new URL(scope + "push/own", location.href), new Response(kept));
  };

  const stop = async (subscription) => {
    await send("push/leave", { subscription: JSON.stringify(subscription) });
    await subscription.unsubscribe();
    await (await caches.open("push")).delete(new URL(scope + "push/own", location.href));
    mine.hidden = true;
    form.hidden = false;
    say("stopped");
  };

  const show = async () => {
    const subscription = await find();
    if (!subscription) return;
    const { place } = page.dataset;
    const answer = await send("push/mine", { subscription: JSON.stringify(subscription), place });
    if (!answer.ok) return;
    mine.innerHTML = await answer.text(); // of this site, in which everything is escaped
    mine.hidden = false;
    form.hidden = true;
    mine.querySelector("[data-push=stop]").addEventListener("click", () => {
      stop(subscription).catch(() => say("failed"));
    });
  };

  const subscribe = async () => {
    const registration = await navigator.serviceWorker.register(worker, { scope });
    await navigator.serviceWorker.ready;
    let subscription = await registration.pushManager.getSubscription();
    if (subscription && !fits(subscription)) {
      await subscription.unsubscribe();
      subscription = null;
    }
    return subscription || registration.pushManager.subscribe({
      userVisibleOnly: true,
      applicationServerKey: bytes(key),
    });
  };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    button.disabled = true;
    say("working");
    Notification.requestPermission()
      .then(async (permission) => {
        if (permission !== "granted") {
          say("denied");
          return;
        }
        const subscription = await subscribe();
        await keep(subscription);
        form.elements.subscription.value = JSON.stringify(subscription);
        form.submit();
      })
      .catch(() => say("failed"))
      .finally(() => {
        button.disabled = false;
      });
  });

  show().catch(() => undefined);
})();
