SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  displayRequestDuration: true,
  persistAuthorization: false, // A token must not outlive the page.
  validatorUrl: null, // Nothing is sent to anyone else.
});

// Swagger UI opens its Authorize dialog and leaves the cursor where it was.
let dialog = null;
new MutationObserver(() => {
  const shown = document.querySelector(".dialog-ux");
  if (shown !== dialog) {
    dialog = shown;
    dialog?.querySelector("input")?.focus();
  }
}).observe(document.getElementById("swagger-ui"), { childList: true, subtree: true });
