// Times are written in UTC by the server; here they are said in the reader's own zone, with UTC in the tooltip.
(() => {
  const day = new Intl.DateTimeFormat(undefined, { year: "numeric", month: "short", day: "numeric" });
  const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", timeZoneName: "short" });

  function localize(root) {
    for (const time of root.querySelectorAll("time[datetime]:not([data-local])")) {
      const moment = new Date(time.dateTime);
      if (Number.isNaN(moment.getTime())) continue;
      time.title = time.textContent;
      const today = new Date().toDateString() === moment.toDateString();
      time.textContent = today ? clock.format(moment) : `${day.format(moment)} ${clock.format(moment)}`;
      time.dataset.local = "yes";
    }
  }

  localize(document);
  document.body.addEventListener("htmx:afterSwap", (event) => localize(event.target));
  document.body.addEventListener("htmx:sseMessage", () => localize(document));
  // What a form was refused for is read first.
  document.getElementById("problems")?.focus();
})();
