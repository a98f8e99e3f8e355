"""The names and values from which the seeded organisation is composed."""

from __future__ import annotations

from typing import NamedTuple


class SystemDescription(NamedTuple):
    """An external API; `base_url` has a placeholder if every account has its own address."""

    name: str
    domain: str
    base_url: str
    auth_schemes: tuple[str, ...]


class ProjectDescription(NamedTuple):
    """An integration, and the status of each of its environments by name."""

    name: str
    environments: dict[str, str]


SYSTEMS = (
    SystemDescription("Shopify", "shopify.com", "https://{shop}.myshopify.com/admin/api", ("oauth2", "api-key")),
    SystemDescription("NetSuite", "netsuite.com", "https://{account}.suitetalk.api.netsuite.com", ("oauth1",)),
    SystemDescription("Salesforce", "salesforce.com", "https://{instance}.my.salesforce.com", ("oauth2",)),
    SystemDescription("HubSpot", "hubspot.com", "https://api.hubapi.com", ("oauth2", "api-key")),
    SystemDescription("Stripe", "stripe.com", "https://api.stripe.com/v1", ("api-key", "hmac")),
    SystemDescription("SFTP Gateway", "sftp.example.com", "https://sftp.example.com/files", ("basic-auth", "secret")),
    SystemDescription("SAP S/4HANA", "sap.example.com", "https://{tenant}.s4hana.example.com", ("certificate",)),
    SystemDescription("Warehouse API", "wms.example.com", "https://wms.example.com/api", ("jwt-bearer", "none")),
)

# The credential types that can occur with each auth scheme. An authorization code is read back as a token.
CREDENTIAL_TYPES = {
    "none": ("none",),
    "api-key": ("string",),
    "basic-auth": ("basic-auth",),
    "oauth2": ("oauth2-token", "oauth2-token", "oauth2-client", "oauth2-password"),
    "hmac": ("binary",),
    "jwt-bearer": ("string",),
    "certificate": ("certificate",),
    "oauth1": ("oauth1-token", "oauth1"),
    "secret": ("binary", "string"),
}

PROJECTS = (
    ProjectDescription("Order sync", {"production": "running", "staging": "suspended"}),
    ProjectDescription("Finance export", {"production": "running", "staging": "running", "next": "draft"}),
    ProjectDescription("Customer onboarding", {"production": "running", "sandbox": "draft"}),
    ProjectDescription("Warehouse feed", {"production": "error", "staging": "running"}),
    ProjectDescription("Returns portal", {"production": "running"}),
    ProjectDescription("Legacy CRM bridge", {"production": "suspended", "staging": "draft"}),
)

STAGES = ("production", "staging", "sandbox", "uat", "backup")
REGIONS = ("eu", "us", "uk", "apac", "dach", "nordics", "latam")
DEPARTMENTS = ("Finance", "Logistics", "Marketing", "Support", "B2B", "Wholesale", "Returns", "Analytics")
PEOPLE = ("Ana", "Bo", "Chidi", "Dana", "Emil", "Fatou", "Grace", "Hiro", "Ines", "Jonas")

COMPANY_FIRST_WORDS = (
    "Acme", "Blue Harbour", "Cedar", "Dorset", "Evergreen", "Falcon", "Golden Gate", "Highland", "Indigo", "Juniper",
    "Kestrel", "Lakeside", "Meridian", "Northwind", "Oakridge", "Pinnacle", "Quartz", "Riverside", "Summit",
    "Tidewater", "Umbra", "Vela", "Westbrook", "Yarrow", "Zephyr", "Łódź", "São Bento", "Århus", "Köln", "Genève",
)  # fmt: skip
COMPANY_SECOND_WORDS = (
    "Trading", "Foods", "Apparel", "Outdoor", "Home", "Pharma", "Toys", "Coffee", "Cycles", "Books",
    "Cosmetics", "Furniture", "Garden", "Logistics", "Optics", "Pets", "Sports", "Textiles", "Tools", "Wines",
)  # fmt: skip
LEGAL_FORMS = ("Ltd", "GmbH", "Inc.", "B.V.", "SAS", "AB", "LLC", "& Co.")

VARIABLE_NAMES = ("storeId", "locale", "warehouse", "priceList")

EXPIRED_ERRORS = ("token expired", "refresh token expired or revoked: invalid_grant")
REJECTED_ERRORS = ("401 Unauthorized", "the certificate is not trusted", "the signature does not match")

# Names that code without proper escaping shows wrongly in a table, a prompt, a log or a spreadsheet.
TRICKY_NAMES = (
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
