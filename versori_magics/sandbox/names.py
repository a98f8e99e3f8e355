"""The words that the seeded organisation is made of."""

from __future__ import annotations

from typing import NamedTuple


class SystemWords(NamedTuple):
    """An external API as its users know it."""

    name: str
    slug: str
    domain: str
    base_url: str
    schemes: tuple[str, ...]


SYSTEMS = (
    SystemWords("Shopify", "shopify", "shopify.com", "https://{shop}.myshopify.com/admin/api", ("oauth2", "api-key")),
    SystemWords("NetSuite", "netsuite", "netsuite.com", "https://{account}.suitetalk.api.netsuite.com", ("oauth1",)),
    SystemWords("Salesforce", "sfdc", "salesforce.com", "https://{instance}.my.salesforce.com", ("oauth2",)),
    SystemWords("HubSpot", "hubspot", "hubspot.com", "https://api.hubapi.com", ("oauth2", "api-key")),
    SystemWords("Stripe", "stripe", "stripe.com", "https://api.stripe.com/v1", ("api-key", "hmac")),
    SystemWords("SFTP Gateway", "sftp", "sftp.example.com", "https://sftp.example.com/files", ("basic-auth", "secret")),
    SystemWords("SAP S/4HANA", "sap", "sap.example.com", "https://{tenant}.s4hana.example.com", ("certificate",)),
    SystemWords("Warehouse API", "wms", "wms.example.com", "https://wms.example.com/api", ("jwt-bearer", "none")),
)

CREDENTIAL_TYPES = {
    "none": ("none",),
    "api-key": ("string",),
    "basic-auth": ("basic-auth",),
    "oauth2": ("oauth2-code", "oauth2-token", "oauth2-client", "oauth2-password"),
    "hmac": ("binary",),
    "jwt-bearer": ("string",),
    "certificate": ("certificate",),
    "oauth1": ("oauth1-token", "oauth1"),
    "secret": ("binary", "string"),
}

# (project, its environments with their status)
PROJECTS = (
    ("Order sync", (("production", "running"), ("staging", "suspended"))),
    ("Finance export", (("production", "running"), ("staging", "running"), ("next", "draft"))),
    ("Customer onboarding", (("production", "running"), ("sandbox", "draft"))),
    ("Warehouse feed", (("production", "error"), ("staging", "running"))),
    ("Returns portal", (("production", "running"),)),
    ("Legacy CRM bridge", (("production", "suspended"), ("staging", "draft"))),
)

STAGES = ("production", "staging", "sandbox", "uat", "backup")
REGIONS = ("eu", "us", "uk", "apac", "dach", "nordics", "latam")
DEPARTMENTS = ("Finance", "Logistics", "Marketing", "Support", "B2B", "Wholesale", "Returns", "Analytics")
PEOPLE = ("Ana", "Bo", "Chidi", "Dana", "Emil", "Fatou", "Grace", "Hiro", "Ines", "Jonas")

FIRST_WORDS = (
    "Acme", "Blue Harbour", "Cedar", "Dorset", "Evergreen", "Falcon", "Golden Gate", "Highland", "Indigo", "Juniper",
    "Kestrel", "Lakeside", "Meridian", "Northwind", "Oakridge", "Pinnacle", "Quartz", "Riverside", "Summit",
    "Tidewater", "Umbra", "Vela", "Westbrook", "Yarrow", "Zephyr", "Łódź", "São Bento", "Århus", "Köln", "Genève",
)  # fmt: skip
SECOND_WORDS = (
    "Trading", "Foods", "Apparel", "Outdoor", "Home", "Pharma", "Toys", "Coffee", "Cycles", "Books",
    "Cosmetics", "Furniture", "Garden", "Logistics", "Optics", "Pets", "Sports", "Textiles", "Tools", "Wines",
)  # fmt: skip
COMPANY_FORMS = ("Ltd", "GmbH", "Inc.", "B.V.", "SAS", "AB", "LLC", "& Co.")

VARIABLE_NAMES = ("storeId", "locale", "warehouse", "priceList")

EXPIRED = ("token expired", "refresh token expired or revoked: invalid_grant")
REJECTED = ("401 Unauthorized", "the certificate is not trusted", "the signature does not match")

# Names that a careless table, prompt or log would get wrong.
ODD_NAMES = (
    "Müller & Söhne GmbH",
    "O'Brien's Emporium",
    "🚀 launch-day store",
    "<b>Bold</b> Retail",
    "statement \u202egpj.exe",
    "\x1b[31mred alert\x1b[0m ERP",
    ("The consolidated order, invoice and returns account of all subsidiaries, " * 5)[:299] + ".",
    "東京商事株式会社 本番",
    '=HYPERLINK("https://example.com","pay")',
    "N/A",
    "$token {token}",
)
